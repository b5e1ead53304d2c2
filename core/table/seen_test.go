package table

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"pgregory.net/rapid"
)

// recentModel is the list of all that was put.
type recentModel struct {
	puts []modelPut
	keep time.Duration
}

type modelPut struct {
	key   any
	value uint64
	at    time.Duration
}

func (m *recentModel) get(now time.Duration, key any) *modelPut {
	for i := len(m.puts) - 1; i >= 0; i-- {
		if m.puts[i].key == key && now-m.puts[i].at <= m.keep {
			return &m.puts[i]
		}
	}
	return nil
}

func (m *recentModel) put(now time.Duration, key any, value uint64) {
	m.puts = append(m.puts, modelPut{key, value, now})
}

// drawSeenKey draws one of eight keys, half of them without a timestamp: few, so that they come again while they are kept.
func drawSeenKey(t *rapid.T) SeenKey {
	return SeenKey{
		Name:  name.Key(rapid.Uint64Range(1, 2).Draw(t, "name")),
		Seq:   rapid.Uint32Range(0, 1).Draw(t, "seq"),
		Asked: wire.MakeAsked(rapid.Int64Range(0, 1).Draw(t, "ms"), 1).Bits(),
	}
}

func TestP2aAndP11SeenAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 64 // none of the few keys is overwritten
		type sentKey struct {
			SeenKey
			face FaceID
		}
		s := NewSeen(testSeed, limit, 0)
		sent, heard := recentModel{keep: SentKept}, recentModel{keep: DefaultWindow}
		now := time.Duration(0)
		face := rapid.Uint32Range(1, 2)
		t.Repeat(map[string]func(*rapid.T){
			"mark": func(t *rapid.T) {
				k := sentKey{drawSeenKey(t), FaceID(face.Draw(t, "face"))}
				was := sent.get(now, k)
				timed := k.Asked>>16 != 0
				want := !timed || was == nil || now-was.at >= SentOnce
				if got := s.MarkSent(now, k.SeenKey, k.face); got != want {
					t.Fatalf("MarkSent = %v, want %v", got, want)
				}
				if want && timed {
					sent.put(now, k, 0)
				}
			},
			"was sent": func(t *rapid.T) {
				k := sentKey{drawSeenKey(t), FaceID(face.Draw(t, "face"))}
				if got, want := s.WasSent(now, k.SeenKey, k.face), sent.get(now, k) != nil; got != want {
					t.Fatalf("WasSent = %v, want %v", got, want)
				}
			},
			"heard": func(t *rapid.T) {
				k, source := drawSeenKey(t), rapid.Uint64Range(1, 3).Draw(t, "source")
				was := heard.get(now, k)
				want := was != nil && was.value != source
				if got := s.HeardElsewhere(now, k, source); got != want {
					t.Fatalf("HeardElsewhere = %v, want %v", got, want)
				}
				if got := s.Heard(now, k, source); got != want {
					t.Fatalf("Heard = %v, want %v", got, want)
				}
				if was == nil {
					heard.put(now, k, source)
				}
			},
			"wait": func(t *rapid.T) {
				now += time.Duration(rapid.Int64Range(0, int64(90*time.Second)).Draw(t, "for"))
			},
			"wait a little": func(t *rapid.T) { now += time.Second },
		})
	})
}

func TestP2aOncePerFace(t *testing.T) {
	s := NewSeen(testSeed, 100, 0)
	k := SeenKey{Name: 1, Seq: 2, Asked: wire.MakeAsked(3, 4).Bits()}
	steps := []struct {
		at   time.Duration
		face FaceID
		want bool
	}{
		{0, 1, true},
		{0, 2, true},               // another face
		{SentOnce - 1, 1, false},   // too early
		{SentOnce, 1, true},        // a retry
		{2*SentOnce - 1, 1, false}, // counted from the retry
		{2 * SentOnce, 1, true},
	}
	for i, st := range steps {
		if got := s.MarkSent(st.at, k, st.face); got != st.want {
			t.Errorf("step %d: MarkSent at %v on face %d = %v", i, st.at, st.face, got)
		}
	}
}

func TestP2aNoTimestampIsNeverSeen(t *testing.T) {
	s := NewSeen(testSeed, 100, 0)
	k := SeenKey{Name: 1, Asked: wire.MakeAsked(0, 4).Bits()}
	for range 3 {
		if !s.MarkSent(0, k, 1) || s.WasSent(0, k, 1) {
			t.Fatal("an Interest without a timestamp was recognised")
		}
	}
}

func TestP11ReplayFromAnotherSource(t *testing.T) {
	s := NewSeen(testSeed, 100, time.Minute)
	k := SeenKey{Name: 1, Seq: wire.SeqSubscribe, Asked: wire.MakeAsked(3, 120).Bits()}
	if s.HeardElsewhere(0, k, 7) || s.Heard(0, k, 7) {
		t.Error("the first to be heard is refused")
	}
	if s.Heard(time.Second, k, 7) {
		t.Error("a retry from the same source is refused")
	}
	if !s.Heard(time.Second, k, 8) || !s.Heard(time.Minute, k, 8) {
		t.Error("another source is let in within the window")
	}
	if s.Heard(time.Minute+1, k, 8) {
		t.Error("another source is refused after the window")
	}
}

// When full an old one goes, never the latest, and there are no more places than twice what was asked for. A table that has had its limit and no more has lost
// few of them.
func TestSeenOverwritesOldOnes(t *testing.T) {
	const limit = 1 << 10
	s := NewSeen(testSeed, limit, 0)
	key := func(i int) SeenKey { return SeenKey{Seq: uint32(i), Asked: wire.MakeAsked(3, 4).Bits()} }
	kept := func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if s.WasSent(SentKept, key(i), 1) {
				n++
			}
		}
		return n
	}
	for i := range 8 * limit {
		s.MarkSent(time.Duration(i), key(i), 1)
		if !s.WasSent(time.Duration(i), key(i), 1) {
			t.Fatalf("the latest of %d is forgotten", i+1)
		}
		if i == limit-1 && kept(0, limit) < limit*95/100 {
			t.Errorf("of %d, the limit, %d are kept", limit, kept(0, limit))
		}
	}
	if latest, old := kept(7*limit, 8*limit), kept(0, 4*limit); latest < limit*85/100 || old > limit/10 {
		t.Errorf("kept %d of the latest %d, and %d of the first half", latest, limit, old)
	}
	if n := len(s.sent.sets) * memoryWays; n != 2*limit {
		t.Errorf("%d places for a limit of %d", n, limit)
	}
}

// What was put again is kept from then on.
func TestSeenPutAgain(t *testing.T) {
	s := NewSeen(testSeed, 64, 0)
	k := SeenKey{Name: 1, Asked: wire.MakeAsked(3, 4).Bits()}
	s.MarkSent(0, k, 1)
	s.MarkSent(SentOnce, k, 1)
	s.MarkSent(SentKept+1, k, 2) // what was put first is out of time
	if !s.WasSent(SentKept+1, k, 1) {
		t.Error("forgotten with what was put first")
	}
}

// A table that was busy once and is quiet now gives its places to newcomers instead of growing.
func TestSeenReusesWhatIsOutOfTime(t *testing.T) {
	s := NewSeen(testSeed, 1<<16, 0)
	for i := range 10_000 {
		k := SeenKey{Name: name.Key(i), Asked: wire.MakeAsked(3, 4).Bits()}
		s.MarkSent(time.Duration(i)*time.Second, k, 1)
	}
	if n := len(s.sent.sets) * memoryWays; n > 4096 {
		t.Errorf("%d places for 61 that are in time", n)
	}
}

func TestSeenSteadyStateAllocatesNothing(t *testing.T) {
	s := NewSeen(testSeed, 256, 0)
	k := SeenKey{Asked: wire.MakeAsked(3, 4).Bits()}
	step := func() {
		k.Name++
		s.MarkSent(0, k, 1)
		s.WasSent(0, k, 1)
		s.Heard(0, k, 1)
	}
	for range 1000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkSeenMarkSent(b *testing.B) {
	s := NewSeen(testSeed, 1<<16, 0)
	k := SeenKey{Asked: wire.MakeAsked(3, 4).Bits()}
	b.ReportAllocs()
	for b.Loop() {
		k.Name++
		s.MarkSent(0, k, 1)
	}
}

func BenchmarkSeenWasSent(b *testing.B) {
	s := NewSeen(testSeed, 1<<16, 0)
	k := SeenKey{Asked: wire.MakeAsked(3, 4).Bits()}
	for range 1 << 16 {
		k.Name++
		s.MarkSent(0, k, 1)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k.Name = name.Key(i & 0x1FFFF)
		s.WasSent(0, k, 1)
	}
}
