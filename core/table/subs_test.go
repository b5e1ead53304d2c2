package table

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// modelWindow is a Window as a set of all numbers that were sent, without a bound.
type modelWindow struct {
	set  bool
	high int64 // numbers are counted on past 2^24 here
	sent map[int64]bool
}

// TestP16WindowAgainstModel: each number once, as long as it is not more than 63 behind the highest.
func TestP16WindowAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(1, 1<<24-2).Draw(t, "start")
		var w Window
		m := modelWindow{sent: map[int64]bool{}}
		at := start
		t.Repeat(map[string]func(*rapid.T){
			"once": func(t *rapid.T) {
				at = max(at+rapid.Int64Range(-100, 90).Draw(t, "step"), 1)
				want := !m.set || at > m.high || at > m.high-64 && !m.sent[at]
				if got := w.Once(uint32(at) & 0xFFFFFF); got != want {
					t.Fatalf("number %d with highest %d: sent %v, want %v", at, m.high, got, want)
				}
				if want {
					m.sent[at] = true
					m.high = max(m.high, at)
					m.set = true
				}
			},
			"base": func(t *rapid.T) {
				b := max(at+rapid.Int64Range(-70, 0).Draw(t, "back"), 1)
				w.Base(uint32(b) & 0xFFFFFF)
				if !m.set {
					m.high, m.set = b, true
				}
				for i := b; i > b-200; i-- {
					if b <= m.high {
						m.sent[i] = true
					}
				}
			},
		})
	})
}

func TestP16WindowSurvivesTheWrap(t *testing.T) {
	var w Window
	for _, seq := range []uint32{wire.SeqLast - 1, wire.SeqLast, 1, 2} {
		if !w.Once(seq) || w.Once(seq) {
			t.Errorf("number %#x is to be sent once", seq)
		}
	}
}

// modelSubs is the table as maps: who asks for what.
type modelSubs map[name.Key]map[FaceID]bool

func (m modelSubs) count(face FaceID) (all, ofFace, wilds int) {
	for k, faces := range m {
		all += len(faces)
		if faces[face] {
			ofFace++
		}
		if subMask(k) != 0 {
			wilds++
		}
	}
	return all, ofFace, wilds
}

func subMask(k name.Key) uint8 {
	if k%4 == 0 {
		return 2
	}
	return 0
}

func TestSubsAgainstModel(t *testing.T) {
	const limit, share, maxWilds = 30, 9, 2
	rapid.Check(t, func(t *rapid.T) {
		subs := NewSubs(Seed{3, 4}, NewQuota(limit, func(FaceID) int { return share }), maxWilds)
		model := modelSubs{}
		draw := func(t *rapid.T) (name.Key, FaceID) {
			return name.Key(rapid.Uint64Range(1, 14).Draw(t, "name")), FaceID(rapid.IntRange(1, 5).Draw(t, "face"))
		}
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				k, face := draw(t)
				all, ofFace, wilds := model.count(face)
				had := model[k][face]
				room := had || all < limit && ofFace < share && (model[k] != nil || subMask(k) == 0 || wilds < maxWilds)
				s, a, fresh := subs.Ask(k, subMask(k), face)
				if (a != nil) != room || a != nil && (fresh == had || s.Key != k || a.Face != face) {
					t.Fatalf("ask: %+v %+v fresh %v; had %v, room %v", s, a, fresh, had, room)
				}
				if a != nil {
					if model[k] == nil {
						model[k] = map[FaceID]bool{}
					}
					model[k][face] = true
				}
			},
			"leave": func(t *rapid.T) {
				k, face := draw(t)
				s := subs.Find(k)
				if s == nil || !model[k][face] {
					return
				}
				subs.RemoveAsker(s, slices.IndexFunc(s.Askers, func(a Asker) bool { return a.Face == face }))
				delete(model[k], face)
				if len(model[k]) == 0 {
					subs.Remove(s)
					delete(model, k)
				}
			},
			"end": func(t *rapid.T) {
				k, _ := draw(t)
				if s := subs.Find(k); s != nil {
					subs.Remove(s)
					delete(model, k)
				}
			},
			"": func(t *rapid.T) { compareSubs(t, subs, model) },
		})
	})
}

func compareSubs(t *rapid.T, subs *Subs, model modelSubs) {
	all, _, wilds := model.count(0)
	if subs.Len() != len(model) || subs.Askers() != all || subs.Wilds() != wilds {
		t.Fatalf("%d names, %d askers, %d patterns; want %d, %d, %d", subs.Len(), subs.Askers(), subs.Wilds(), len(model), all, wilds)
	}
	for k, faces := range model {
		s := subs.Find(k)
		if s == nil || subs.At(subs.ID(k)) != s || len(s.Askers) != len(faces) {
			t.Fatalf("%v: %+v, want %v", k, s, faces)
		}
		for face := range faces {
			if s.Asker(face) == nil {
				t.Fatalf("%v: face %d is gone", k, face)
			}
		}
	}
}

// Two forwarders that ask each other do not keep each other alive: a face is asked only for somebody else's sake.
func TestP16NeedsSomebodyElse(t *testing.T) {
	s := &Sub{Askers: []Asker{{Face: 1, Deadline: time.Minute, TTL: 3}, {Face: 2, Deadline: time.Second, TTL: 7}}}
	for _, c := range []struct {
		face FaceID
		now  time.Duration
		want bool
	}{{1, 0, true}, {2, 0, true}, {3, 0, true}, {1, time.Second, false}, {2, time.Second, true}, {3, time.Minute, false}} {
		if got := s.Needs(c.face, c.now); got != c.want {
			t.Errorf("face %d at %s: %v, want %v", c.face, c.now, got, c.want)
		}
	}
	if deadline, ttl := s.Longest(); deadline != time.Minute || ttl != 7 {
		t.Errorf("longest %s, TTL %d", deadline, ttl)
	}
}

func TestDeliveriesForgetTheOldest(t *testing.T) {
	d := NewDeliveries(Seed{5, 6}, 4)
	for k := name.Key(1); k <= 4; k++ {
		w, fresh := d.Window(k, 9)
		if !fresh || !w.Once(uint32(k)) {
			t.Fatalf("window of %d", k)
		}
	}
	if w, fresh := d.Window(1, 9); fresh || w.High != 1 {
		t.Error("a window that has room was forgotten")
	}
	if _, fresh := d.Window(1, 8); !fresh { // pushes out (1, 9)
		t.Error("another face has a window of its own")
	}
	if d.Find(1, 9) != nil || d.Find(2, 9) == nil || d.Find(1, 8) == nil {
		t.Error("the oldest is to be forgotten, and it alone")
	}
}
