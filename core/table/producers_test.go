package table

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

type modelProducer struct {
	face  FaceID
	heard time.Duration
}

func TestP17ProducerFaceAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewProducers(testSeed, NewQuota(1000, nil), 0)
		model := map[name.Key]modelProducer{}
		now := time.Duration(0)
		live := func(k name.Key) (modelProducer, bool) {
			m, ok := model[k]
			return m, ok && now-m.heard < DefaultProducerHold
		}
		key, face := rapid.Uint64Range(1, 6), rapid.Uint32Range(1, 3)
		t.Repeat(map[string]func(*rapid.T){
			"claim": func(t *rapid.T) {
				k, f := name.Key(key.Draw(t, "key")), FaceID(face.Draw(t, "face"))
				want := ClaimTaken
				if m, ok := live(k); ok {
					want = ClaimOther
					if m.face == f {
						want = ClaimHeld
					}
				}
				if got := p.Claim(now, k, f); got != want {
					t.Fatalf("Claim(%d, %d) = %d, want %d", k, f, got, want)
				}
				if want != ClaimOther {
					model[k] = modelProducer{f, now}
				}
			},
			"drop": func(t *rapid.T) {
				f := FaceID(face.Draw(t, "face"))
				p.DropFace(f)
				for k, m := range model {
					if m.face == f {
						delete(model, k)
					}
				}
			},
			"wait":    func(t *rapid.T) { now += time.Duration(rapid.IntRange(0, 90).Draw(t, "min")) * time.Minute },
			"advance": func(t *rapid.T) { p.Advance(now) },
			"": func(t *rapid.T) {
				all := 0
				for k, f := range p.All(now) {
					if m, ok := live(k); !ok || m.face != f {
						t.Fatalf("All gives %d: %d, model %v, %v", k, f, m, ok)
					}
					all++
				}
				for k := range name.Key(7) {
					m, want := live(k)
					if want {
						all--
					}
					if f, ok := p.Face(now, k); ok != want || want && f != m.face {
						t.Fatalf("Face(%d) = %d, %v, want %d, %v", k, f, ok, m.face, want)
					}
				}
				if all != 0 || p.Len() != p.quota.Total() {
					t.Fatalf("All is %d off; %d in memory, %d counted", all, p.Len(), p.quota.Total())
				}
			},
		})
	})
}

func TestP17SecondProducerUntilTheFirstIsSilent(t *testing.T) {
	p := NewProducers(testSeed, NewQuota(100, nil), time.Minute)
	steps := []struct {
		at   time.Duration
		face FaceID
		want Claim
	}{
		{0, 1, ClaimTaken},
		{30 * time.Second, 1, ClaimHeld},
		{89 * time.Second, 2, ClaimOther}, // 59 s after the last
		{90 * time.Second, 2, ClaimTaken},
		{91 * time.Second, 1, ClaimOther},
	}
	for i, s := range steps {
		if got := p.Claim(s.at, 7, s.face); got != s.want {
			t.Errorf("step %d: Claim at %v by face %d = %d, want %d", i, s.at, s.face, got, s.want)
		}
	}
}

func TestP22ProducersShare(t *testing.T) {
	p := NewProducers(testSeed, NewQuota(80, nil), time.Minute)
	for k := range name.Key(10) {
		p.Claim(0, k, 1)
	}
	if got := p.Claim(0, 10, 1); got != ClaimFull {
		t.Errorf("the eleventh of 80 for one face: %d, want ClaimFull", got)
	}
	if got := p.Claim(0, 10, 2); got != ClaimTaken {
		t.Errorf("another face: %d, want ClaimTaken", got)
	}
	if got := p.Claim(time.Minute, 11, 1); got != ClaimTaken {
		t.Errorf("after the hold: %d, want ClaimTaken", got)
	}
}

// Memory comes back, a few names a call.
func TestP17SilentNamesLeaveMemory(t *testing.T) {
	p := NewProducers(testSeed, NewQuota(1000, func(FaceID) int { return 1000 }), time.Minute)
	for k := range name.Key(100) {
		p.Claim(0, k, 1)
	}
	for range 100/expirePerCall + 1 {
		p.Advance(time.Minute)
	}
	if p.Len() != 0 || p.faces.Len() != 0 {
		t.Errorf("%d names and %d faces left", p.Len(), p.faces.Len())
	}
}

func TestProducersSteadyStateAllocatesNothing(t *testing.T) {
	p := NewProducers(testSeed, NewQuota(1000, nil), time.Minute)
	now, k := time.Duration(0), name.Key(0)
	step := func() {
		now += time.Second
		k++
		p.Claim(now, k, FaceID(k%3+1))
		p.Claim(now, k, FaceID(k%3+1))
	}
	for range 1000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkProducersHeld(b *testing.B) {
	const n = 1 << 14
	p := NewProducers(testSeed, NewQuota(n, func(FaceID) int { return n }), 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Claim(0, name.Key(i%n), 1)
	}
}
