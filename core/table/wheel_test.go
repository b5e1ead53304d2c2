package table

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wheelModel is a slice of timers, kept in the order in which they must fire.
type wheelModel struct {
	now, serial int64
	timers      []modelTimer
}

type modelTimer struct {
	due, serial int64
	ref         uint32
}

func (m *wheelModel) add(at time.Duration, ref uint32) {
	due := max(int64((at+Resolution-1)/Resolution), m.now)
	m.serial++
	m.timers = append(m.timers, modelTimer{due, m.serial, ref})
	slices.SortFunc(m.timers, func(a, b modelTimer) int {
		if a.due != b.due {
			return int(a.due - b.due)
		}
		return int(a.serial - b.serial)
	})
}

func (m *wheelModel) remove(ref uint32) {
	m.timers = slices.DeleteFunc(m.timers, func(t modelTimer) bool { return t.ref == ref })
}

func (m *wheelModel) advance(now time.Duration) (fired []uint32) {
	m.now = int64(now / Resolution)
	for len(m.timers) > 0 && m.timers[0].due <= m.now {
		fired = append(fired, m.timers[0].ref)
		m.timers = m.timers[1:]
	}
	return fired
}

// spans draws durations of every magnitude: most bugs of a wheel are at the borders of its levels.
func spans(t *rapid.T, label string) time.Duration {
	bits := rapid.IntRange(0, 47).Draw(t, label+" bits")
	return time.Duration(rapid.Int64Range(0, 1<<bits).Draw(t, label))
}

func TestWheelAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Wheel
		var m wheelModel
		now := time.Duration(0)
		ids := map[uint32]TimerID{}
		serial := uint32(0)
		pick := func(t *rapid.T) uint32 {
			if len(m.timers) == 0 {
				t.Skip("empty")
			}
			return m.timers[rapid.IntRange(0, len(m.timers)-1).Draw(t, "timer")].ref
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				at := now + spans(t, "in") - time.Second
				serial++
				ids[serial] = w.Add(at, uint8(serial), serial)
				m.add(at, serial)
			},
			"cancel": func(t *rapid.T) {
				ref := pick(t)
				w.Cancel(ids[ref])
				m.remove(ref)
			},
			"move": func(t *rapid.T) {
				ref, at := pick(t), now+spans(t, "in")
				w.Move(ids[ref], at)
				m.remove(ref)
				m.add(at, ref)
			},
			"advance": func(t *rapid.T) {
				now += spans(t, "by")
				var fired []uint32
				w.Advance(now, func(kind uint8, ref uint32) {
					if kind != uint8(ref) {
						t.Fatalf("kind %d with ref %d", kind, ref)
					}
					fired = append(fired, ref)
				})
				if want := m.advance(now); !slices.Equal(fired, want) {
					t.Fatalf("at %v fired %v, want %v", now, fired, want)
				}
			},
			"": func(t *rapid.T) {
				at, ok := w.Next()
				if ok != (len(m.timers) > 0) || w.Len() != len(m.timers) {
					t.Fatalf("Next ok %v, Len %d, want %d timers", ok, w.Len(), len(m.timers))
				}
				if ok && at > time.Duration(m.timers[0].due)*Resolution {
					t.Fatalf("Next %v is behind the first timer, %d ms", at, m.timers[0].due)
				}
			},
		})
	})
}

// A virtual clock that jumps from Next to Next meets every timer in exactly its tick.
func TestWheelVirtualClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Wheel
		due := map[uint32]time.Duration{}
		for i := range uint32(rapid.IntRange(1, 50).Draw(t, "timers")) {
			at := spans(t, "at")
			due[i] = (at + Resolution - 1).Truncate(Resolution)
			w.Add(at, 0, i)
		}
		steps := 0
		for now, ok := w.Next(); ok; now, ok = w.Next() {
			w.Advance(now, func(_ uint8, ref uint32) {
				if due[ref] != now {
					t.Fatalf("timer due at %v fired at %v", due[ref], now)
				}
				delete(due, ref)
			})
			if steps++; steps > 50*wheelLevels {
				t.Fatal("the clock makes no progress") // each step moves a timer down a level, or fires it
			}
		}
		if len(due) > 0 {
			t.Fatalf("%d timers never fired", len(due))
		}
	})
}

func TestWheelNeverEarly(t *testing.T) {
	var w Wheel
	fired := 0
	w.Add(Resolution+1, 0, 0)
	count := func(uint8, uint32) { fired++ }
	if w.Advance(2*Resolution-1, count); fired != 0 {
		t.Fatal("fired before it was due")
	}
	if w.Advance(2*Resolution, count); fired != 1 {
		t.Fatal("did not fire when it was due")
	}
}

// What fire itself adds, cancels and moves takes part in the same Advance, and a timer that sets itself anew at once
// does not hold it up.
func TestWheelChangesFromFire(t *testing.T) {
	var w Wheel
	var order []uint32
	var victim, moved TimerID
	w.Add(1*time.Millisecond, 0, 1)
	victim = w.Add(1*time.Millisecond, 0, 2)
	moved = w.Add(2*time.Millisecond, 0, 3)
	w.Advance(5*time.Millisecond, func(_ uint8, ref uint32) {
		order = append(order, ref)
		switch ref {
		case 1:
			w.Cancel(victim)
			w.Move(moved, 4*time.Millisecond)
			w.Add(3*time.Millisecond, 0, 4)
			w.Add(0, 0, 5) // at once: the next tick
		case 5:
			w.Add(0, 0, 5)
		}
	})
	if want := []uint32{1, 5, 4, 5, 3, 5, 5}; !slices.Equal(order, want) {
		t.Fatalf("fired %v, want %v", order, want)
	}
	if w.Len() != 1 {
		t.Fatalf("%d timers left, want 1", w.Len())
	}
}

func TestWheelCancelOfNothing(t *testing.T) {
	var w Wheel
	w.Cancel(0)
	id := w.Add(time.Second, 0, 0)
	w.Cancel(id)
	w.Cancel(id)
	if _, ok := w.Next(); ok || w.Len() != 0 {
		t.Fatal("a cancelled timer is left")
	}
}

func TestWheelSteadyStateAllocatesNothing(t *testing.T) {
	var w Wheel
	now := time.Duration(0)
	nothing := func(uint8, uint32) {}
	step := func() {
		now += time.Millisecond
		w.Add(now+4*time.Second, 0, 0)
		w.Cancel(w.Add(now+2*time.Second, 0, 0))
		w.Advance(now, nothing)
	}
	for range 5000 {
		step()
	}
	if n := testing.AllocsPerRun(10_000, step); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkWheelAddCancel(b *testing.B) {
	var w Wheel
	for i := range 1 << 16 {
		w.Add(time.Duration(i)*time.Millisecond, 0, 0)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Cancel(w.Add(time.Duration(i%4000)*time.Millisecond, 0, 0))
	}
}

// One timer of 4 s is added, and one fires, each millisecond: what an Interest costs that nobody answers.
func BenchmarkWheelAddFire(b *testing.B) {
	var w Wheel
	now := time.Duration(0)
	nothing := func(uint8, uint32) {}
	b.ReportAllocs()
	for b.Loop() {
		now += time.Millisecond
		w.Add(now+4*time.Second, 0, 0)
		w.Advance(now, nothing)
	}
}
