package plugin

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// failing traps at every event but the host's own trial, whose FSEQ is 1.
func failing(face byte) Source {
	g := sender(face)
	g.Process = wasmtest.Code(wasmtest.Const(wasmtest.InputAt+abi.EventSeq), []byte{0x28, 2, 0}, wasmtest.Const(1), []byte{0x4B, 0x04, 0x40, 0x00, 0x0B}, wasmtest.Local0)
	return handMade(g)
}

// bubble runs a test in a time of its own, with a Manager and a strategy's worker that never asks the same twice.
func bubble(t *testing.T, opt Options, do func(t *testing.T, m *Manager, ask func() forward.FaceID)) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewManager(opt)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}()
		ev := twoHops()
		do(t, m, func() forward.FaceID {
			ev.Seq++
			got := strategyOf(t, m, "s", 0).Decide(ev, nil)
			synctest.Wait() // until the Manager has looked after what happened
			return got[0].Face
		})
	})
}

// story is what the journal has of a plugin.
func story(m *Manager) string {
	var list []string
	for _, e := range m.Journal() {
		list = append(list, e.What)
	}
	return strings.Join(list, ", ")
}

func TestFailingVersionGivesWayToTheOneBefore(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, m *Manager, ask func() forward.FaceID) {
		if err := m.Load(t.Context(), Spec{Name: "s", Source: handMade(sender(10)), Limits: Limits{Traps: 3}}); err != nil {
			t.Fatal(err)
		}
		good := m.List()[0].Digest
		if err := m.Swap(As(t.Context(), "operator"), "s", failing(11)); err != nil {
			t.Fatal(err)
		}
		var got []forward.FaceID
		for range 5 {
			got = append(got, ask())
		}
		if s := fmt.Sprint(got); s != "[2 2 2 10 10]" { // three events fall back to best-route, and then the one before decides
			t.Errorf("%s", s)
		}
		st := m.List()[0]
		if st.Digest != good || st.State != StateRunning || st.Returned != 1 || st.Previous != "" {
			t.Errorf("%+v", st)
		}
		if s := story(m); s != "loaded, swapped, trapped, replaced, trapped, replaced, trapped, returned" {
			t.Errorf("%s", s)
		}
		list := m.Journal()
		last, swapped := list[len(list)-1], list[1]
		if last.Digest != good || last.From != swapped.Digest || last.Who != ByNode || !strings.Contains(last.Why, "3 traps in 1m0s, the last: trap in zmesh_process") ||
			swapped.Who != "operator" || list[2].Input == "" {
			t.Errorf("%+v", list)
		}
		if err := m.Rollback(t.Context(), "s"); !errors.Is(err, ErrNoFormer) {
			t.Errorf("%v: the failed version is not come back to", err)
		}
	})
}

// Traps that are far enough apart are none too many.
func TestTrapsFarApart(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, m *Manager, ask func() forward.FaceID) {
		if err := m.Load(t.Context(), Spec{Name: "s", Source: failing(10), Limits: Limits{Traps: 2, Window: time.Minute}}); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if f := ask(); f != 2 {
				t.Errorf("face %d", f)
			}
			time.Sleep(time.Minute)
		}
		if st := m.List()[0]; st.State != StateRunning || st.Traps != 5 {
			t.Errorf("%+v", st)
		}
	})
}

func TestQuarantine(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, m *Manager, ask func() forward.FaceID) {
		if err := m.Load(t.Context(), Spec{Name: "s", Source: failing(10), Limits: Limits{Traps: 3}}); err != nil {
			t.Fatal(err)
		}
		for _, pause := range []int{1, 2, 4, 8, 16, 30, 30} {
			for range 3 {
				ask()
			}
			begun := m.List()[0]
			if begun.State != StateQuarantined || begun.Instances != 0 || !strings.Contains(m.Journal()[len(m.Journal())-1].Why, fmt.Sprintf("for %ds: 3 traps in", pause)) {
				t.Fatalf("%+v, %s", begun, m.Journal()[len(m.Journal())-1].Why)
			}
			time.Sleep(time.Duration(pause)*time.Second - time.Millisecond)
			if f, st := ask(), m.List()[0]; f != 2 || st.State != StateQuarantined || st.Traps != begun.Traps {
				t.Fatalf("before its pause of %d s is over: face %d, %+v", pause, f, st)
			}
			time.Sleep(2 * tendEvery)
			if st := m.List()[0]; st.State != StateRunning {
				t.Fatalf("after it: %+v", st)
			}
		}
		time.Sleep(time.Hour) // it has worked for a while: from the beginning
		for range 3 {
			ask()
		}
		if e := m.Journal()[len(m.Journal())-1]; !strings.HasPrefix(e.Why, "for 1s") {
			t.Errorf("%+v", e)
		}
		if err := m.Swap(t.Context(), "s", handMade(sender(12))); err != nil { // a swap ends it
			t.Fatal(err)
		}
		if f := ask(); f != 12 {
			t.Errorf("face %d after the swap", f)
		}
	})
}

// A consumer gets the raw bytes and a plain error while a decoder is in quarantine.
func TestDecoderInQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewManager(Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := m.Load(t.Context(), Spec{Name: "d", Source: handMade(decoderGuest(wasmtest.Item(7, 0))), Limits: Limits{Traps: 2}}); err != nil {
			t.Fatal(err)
		}
		decode := func(b byte) error {
			_, err := m.Decode(t.Context(), "d", Request{Payload: []byte{b}})
			synctest.Wait()
			return err
		}
		if err := decode(1); err == nil || errors.Is(err, ErrSkipped) {
			t.Errorf("%v", err)
		}
		if err := decode(1); !errors.Is(err, ErrSkipped) {
			t.Errorf("%v, want %v: it has just killed an instance", err, ErrSkipped)
		}
		if err := decode(2); err == nil || errors.Is(err, ErrSkipped) {
			t.Errorf("%v", err)
		}
		if err := decode(3); !errors.Is(err, ErrQuarantined) {
			t.Errorf("%v, want %v", err, ErrQuarantined)
		}
		time.Sleep(2 * time.Minute)
		if err := decode(1); err == nil || errors.Is(err, ErrSkipped) || errors.Is(err, ErrQuarantined) {
			t.Errorf("%v: all is forgiven", err)
		}
		if st := m.List()[0]; st.Traps != 3 || st.Skipped != 1 || st.LastTrap.InputDigest == "" {
			t.Errorf("%+v", st)
		}
	})
}

// A frame that killed an instance is decided without the plugin, as long as that is remembered; others are not.
func TestKillerIsNotHandedOverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewManager(Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		g := sender(10) // traps if the FSEQ is 7
		g.Process = wasmtest.Code(wasmtest.Const(wasmtest.InputAt+abi.EventSeq), []byte{0x28, 2, 0}, wasmtest.Const(7), []byte{0x46, 0x04, 0x40, 0x00, 0x0B}, wasmtest.Local0)
		load(t, m, "s", handMade(g))
		ask := func(seq uint32, now time.Duration) forward.FaceID {
			ev := twoHops()
			ev.Seq, ev.Now = seq, now
			got := strategyOf(t, m, "s", 0).Decide(ev, nil)
			synctest.Wait()
			return got[0].Face
		}
		if a, b, c := ask(7, 1), ask(7, 2), ask(8, 3); a != 2 || b != 2 || c != 10 {
			t.Errorf("faces %d, %d, %d", a, b, c)
		}
		if st := m.List()[0]; st.Traps != 1 || st.Skipped != 1 || st.Degraded != 2 {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Minute + 2*tendEvery)
		if ask(7, 4); m.List()[0].Traps != 2 {
			t.Errorf("%+v: it is tried again after a while", m.List()[0])
		}
	})
}

func TestSpareStepsIn(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, m *Manager, ask func() forward.FaceID) {
		g := sender(10) // an instance has two good calls, of which the first may be the host's trial
		g.Process = wasmtest.Code(wasmtest.From(3, wasmtest.Unreachable), wasmtest.Local0)
		load(t, m, "s", handMade(g))
		time.Sleep(2 * tendEvery)
		place := &m.strategies("s")[0].place
		first := place.current.Load()
		ask()
		ev := twoHops()
		if got := strategyOf(t, m, "s", 0).Decide(ev, nil); got[0].Face != 2 {
			t.Errorf("%+v", got)
		}
		if s := place.current.Load(); s == nil || s == first { // at once, not when the Manager comes to it
			t.Errorf("%v after a trap", s)
		}
		if f := ask(); f != 10 {
			t.Errorf("face %d", f)
		}
	})
}

func TestInstancesAreRecycled(t *testing.T) {
	growing := sender(10)
	growing.Process = wasmtest.Code(wasmtest.Grow(1), wasmtest.Local0)
	bubble(t, Options{}, func(t *testing.T, m *Manager, ask func() forward.FaceID) {
		if err := m.Load(t.Context(), Spec{Name: "s", Source: handMade(growing), Limits: Limits{Recycle: 640 << 10}}); err != nil {
			t.Fatal(err)
		}
		size := func() uint64 { return m.strategies("s")[0].current.Load().instance.Memory() >> 16 }
		for range 3 {
			ask()
		}
		time.Sleep(2 * lookEvery)
		if n := m.List()[0].Recycled; n != 0 || size() != 6 { // two and the trial
			t.Errorf("%d recycled, %d pages", n, size())
		}
		for range 5 {
			ask()
		}
		time.Sleep(2 * lookEvery)
		if n := m.List()[0].Recycled; n != 1 || size() != 2 {
			t.Errorf("%d recycled, %d pages", n, size())
		}
		time.Sleep(24 * time.Hour)
		if n := m.List()[0].Recycled; n != 2 {
			t.Errorf("%d recycled after a day", n)
		}
		if st := m.List()[0]; ask() != 10 || st.Traps != 0 || st.Degraded != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestIdleHookRunsBetweenCalls(t *testing.T) {
	g := sender(10)
	g.Idle = wasmtest.From(1, wasmtest.Grow(1)) // its memory tells how often it ran
	bubble(t, Options{}, func(t *testing.T, m *Manager, ask func() forward.FaceID) {
		load(t, m, "s", handMade(g))
		runs := func() uint64 { return m.strategies("s")[0].current.Load().instance.Memory()>>16 - 2 }
		time.Sleep(time.Second)
		if n := runs(); n != 0 {
			t.Errorf("%d runs before any call", n)
		}
		ask()
		time.Sleep(time.Second)
		if n := runs(); n != 1 {
			t.Errorf("%d runs after one call and a pause", n)
		}
		time.Sleep(time.Minute + lookEvery/3)
		ask()
		time.Sleep(3 * tendEvery)
		if n := runs(); n != 2 {
			t.Errorf("%d runs: a call after a long pause wakes who looks after it", n)
		}
		for range busyCalls + 10 { // no quiet moment
			strategyOf(t, m, "s", 0).Decide(twoHops(), nil)
		}
		m.tend(m.plugins["s"])
		if n := runs(); n != 3 {
			t.Errorf("%d runs after many calls", n)
		}
		if st := m.List()[0]; st.Traps != 0 || st.Degraded != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A hook that traps is an instance that traps.
func TestIdleHookTraps(t *testing.T) {
	g := sender(10)
	g.Idle = wasmtest.Forever
	bubble(t, Options{}, func(t *testing.T, m *Manager, ask func() forward.FaceID) {
		if err := m.Load(t.Context(), Spec{Name: "s", Source: handMade(g), Limits: Limits{IdleFuel: 1000, Traps: 3}}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(2 * tendEvery)
			if f := ask(); f != 10 {
				t.Errorf("face %d", f)
			}
			time.Sleep(3 * tendEvery)
		}
		if st := m.List()[0]; st.State != StateQuarantined || st.Traps != 3 || st.Limits["idle_fuel"] != 3 || !strings.Contains(st.LastTrap.Why, "trap in zmesh_idle: it used up its fuel") {
			t.Errorf("%+v, %+v", st, st.LastTrap)
		}
	})
}

// A worker does not wait for a hook that does not end: the spare steps in, and the instance is gone.
func TestWorkerDoesNotWaitForAnIdleHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewManager(Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		load(t, m, "s", handMade(sender(10)))
		time.Sleep(2 * tendEvery) // there is a spare
		h := m.strategies("s")[0]
		s, done := h.current.Load(), make(chan struct{})
		if !s.enter() {
			t.Fatal("it is busy")
		}
		s.resting.Store(&done) // as if the hook ran
		start := time.Now()
		if got := h.Decide(twoHops(), nil); got[0].Face != 10 || time.Since(start) != restPatience || h.current.Load() == s {
			t.Errorf("%+v after %s", got, time.Since(start))
		}
		s.resting.Store(nil)
		s.leave()
		close(done)
		synctest.Wait()
		if st := m.List()[0]; st.Traps != 1 || !strings.Contains(st.LastTrap.Why, "zmesh_idle: its call took too long") || !s.instance.Dead() {
			t.Errorf("%+v, %+v", st, st.LastTrap)
		}
	})
}

// What no fuel counts is seen by the clock: a call whose host functions take long is counted and told, and in the end stopped.
func TestSlowCalls(t *testing.T) {
	var pause atomic.Int64
	bubble(t, Options{Log: func(string, string, string) { time.Sleep(time.Duration(pause.Load())) }}, func(t *testing.T, m *Manager, ask func() forward.FaceID) {
		g := sender(10)
		g.Imports = []wasmtest.Import{{Module: abi.ImportModule, Name: abi.ImportLog, Params: []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}}}
		line := wasmtest.Code(wasmtest.Const(1), wasmtest.Const(wasmtest.MessageAt), wasmtest.Const(1), wasmtest.Call(1))
		g.Process = wasmtest.Code(line, line, wasmtest.Local0)
		if err := m.Load(t.Context(), Spec{Name: "s", Source: handMade(g), Grants: []string{engine.CapLog}}); err != nil {
			t.Fatal(err)
		}
		pause.Store(int64(20 * time.Millisecond))
		for range 20 {
			ask()
		}
		if st := m.List()[0]; len(st.Limits) != 0 || st.Traps != 0 {
			t.Errorf("%+v: forty ms are not slow", st)
		}
		time.Sleep(time.Minute)
		if !m.dozing.Load() {
			t.Error("after a minute without a call it looks as often as ever")
		}
		pause.Store(int64(200 * time.Millisecond))
		if f, st := ask(), m.List()[0]; f != 10 || st.Limits["call_time"] != 1 || st.Traps != 0 {
			t.Errorf("face %d, %+v after 400 ms", f, st)
		}
		if s := story(m); s != "loaded, slow" {
			t.Errorf("%s", s)
		}
		pause.Store(int64(1200 * time.Millisecond))
		if f, st := ask(), m.List()[0]; f != 2 || st.Traps != 1 || !strings.Contains(st.LastTrap.Why, "its call took too long") {
			t.Errorf("face %d, %+v after a second", f, st)
		}
	})
}

func TestRollback(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(sender(10)))
	face := func() forward.FaceID { return strategyOf(t, m, "s", 0).Decide(twoHops(), nil)[0].Face }
	if err := m.Rollback(t.Context(), "s"); !errors.Is(err, ErrNoFormer) {
		t.Error(err)
	}
	if err := m.Swap(t.Context(), "s", handMade(sender(11))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []forward.FaceID{10, 11, 10} { // the version before is each time the other one
		if err := m.Rollback(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		if f := face(); f != want {
			t.Errorf("face %d, want %d", f, want)
		}
	}
	if e := m.Journal(); e[len(e)-1].What != "rolled back" || m.Rollback(t.Context(), "other") == nil {
		t.Errorf("%+v", e)
	}
}

// What is shown of fuel and time comes from a sample, and the way there allocates nothing.
func TestSampledCalls(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(sender(10)))
	s, ev, out := strategyOf(t, m, "s", 0), twoHops(), make([]forward.Command, 0, 4)
	for range 100 * measured {
		out = s.Decide(ev, out[:0])
	}
	st := m.List()[0]
	if st.Time.Samples != 100 || st.Fuel.Samples != 100 || st.Time.P50 == 0 || st.Time.P50 > st.Time.P99 || st.Time.P99 > st.Time.Most {
		t.Errorf("%+v, %+v", st.Time, st.Fuel)
	}
}
