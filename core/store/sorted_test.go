package store

import (
	"slices"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

// naiveMatch says the same as compiled.matches, level by level.
func naiveMatch(p Pattern, k name.Key) bool {
	if p.Name.Net() != k.Net() {
		return false
	}
	want, have := p.Name.Name(), k.Name()
	for i := range want {
		if p.Wild&(1<<i) != 0 {
			if have[i] == 0 {
				return false
			}
		} else if have[i] != want[i] {
			return false
		}
	}
	return true
}

func drawName(t *rapid.T) name.Key {
	var n name.Name
	for i := range n {
		n[i] = rapid.SampledFrom([]byte{0, 0, 1, 2, 0x7F, 0x80, 0xFF}).Draw(t, "byte")
	}
	return name.MakeKey(uint8(rapid.IntRange(0, 2).Draw(t, "net")), n)
}

func TestP5MatchFindsAllInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewShard(Config{Sorted: true, MaxRatePerName: Unlimited, MaxNames: 40, Retention: time.Minute})
		now := time.Duration(0)
		for range rapid.IntRange(0, 200).Draw(t, "names") {
			now += time.Second
			s.Advance(now, 0)
			k := drawName(t)
			s.Put(&Put{Key: k, Seq: 1, Body: []byte("xxxx"), Now: now})
		}
		p := Pattern{Name: drawName(t), Wild: rapid.SampledFrom([]uint8{0, 2, 4, 6, 32, 62, 63}).Draw(t, "wild")}
		var want, got []name.Key
		for id := uint32(1); id < s.entries; id++ {
			e := s.entry(id)
			if e.key != 0 || s.exists(0) {
				if _, st := s.Newest(e.key); st == Hit && s.exists(e.key) && naiveMatch(p, e.key) {
					want = append(want, e.key)
				}
			}
		}
		slices.Sort(want)
		want = slices.Compact(want)
		step := rapid.IntRange(1, 5).Draw(t, "max")
		for after, more := name.Key(0), true; more; {
			n := 0
			after, more = s.Match(p, after, step, func(k name.Key) bool { n++; got = append(got, k); return true })
			if n > step {
				t.Fatalf("%d names, want at most %d", n, step)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("match gave %x, want %x", got, want)
		}
	})
}

func TestP5MatchSurvivesMerges(t *testing.T) {
	r := newRig(t, Config{Sorted: true})
	for i := range 20000 {
		r.put(key(i*7919%20000), 1, "x")
	}
	p := Pattern{Name: 0x010000000000, Wild: 0b110000}
	n, last := 0, name.Key(0)
	for after, more := name.Key(0), true; more; {
		after, more = r.s.Match(p, after, 64, func(k name.Key) bool {
			if k <= last {
				t.Fatalf("%x after %x", k, last)
			}
			n, last = n+1, k
			return true
		})
	}
	want := 0
	for i := range 20000 {
		if i&0xFF != 0 && i>>8 != 0 {
			want++
		}
	}
	if n != want {
		t.Fatalf("%d names, want %d", n, want)
	}
}

func TestP5MatchWorksLittleForPatternsThatMatchLittle(t *testing.T) {
	r := newRig(t, Config{Sorted: true})
	for i := range 20000 {
		r.put(key(i), 1, "x")
	}
	calls := 0
	for after, more := name.Key(0), true; more; calls++ {
		after, more = r.s.Match(Pattern{Name: 0x010000000001, Wild: 0b010000}, after, 1, func(name.Key) bool { return true })
	}
	if calls < 20000/matchVisits {
		t.Fatalf("all was looked at in %d calls", calls)
	}
}

func TestSortedForgetsWhatTheIndexForgot(t *testing.T) {
	r := newRig(t, Config{Sorted: true, MaxNames: 500, Retention: time.Second})
	r.share = 1
	for i := range 20000 {
		if i%500 == 0 {
			r.pass(2 * time.Second)
			r.pass(2 * time.Second)
		}
		r.want(r.put(key(i*7919%20000), 1, "x"), Stored, true)
	}
	if n := len(r.s.names.main) + len(r.s.names.tail) + len(r.s.names.gone); n > 2000 {
		t.Fatalf("%d names are in order, want at most some more than 500", n)
	}
}
