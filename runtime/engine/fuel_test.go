package engine

import (
	"errors"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
)

// loads is a loop whose loads miss the caches: what a unit of fuel takes longest in, some 16 ns.
func loads() *wasmtest.Guest {
	var body []byte
	for range 50 { // at = (at + what is there + at) * a + c
		body = wasmtest.Code(body, wasmtest.Local0, wasmtest.Const(0x3FFFFC0), []byte{0x71, 0x28, 2, 0}, wasmtest.Local0, []byte{0x6A},
			wasmtest.Const(1664525), []byte{0x6C}, wasmtest.Const(1013904223), []byte{0x6A, 0x21, 0})
	}
	return &wasmtest.Guest{MinPages: 1024, Process: wasmtest.Code([]byte{0x03, 0x40}, body, []byte{0x0C, 0, 0x0B}, wasmtest.Local0)}
}

// Whoever stops the world does not wait for the end of a call that has much fuel: a garbage collection above all.
func TestLongCallsDoNotHoldTheProcess(t *testing.T) {
	m, err := Load(t.Context(), loads().Bytes(), Options{ItemFuel: 50_000_000}) // a decoder's
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	least := math.Inf(1)
	for range 5 { // the machine may be at something else
		i, err := m.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		items(i.Input(), 1)
		done := make(chan error)
		go func() {
			_, err := i.Call(1)
			done <- err
		}()
		longest, begin := time.Duration(0), time.Now()
		for err = nil; err == nil; {
			select {
			case err = <-done:
			default:
				start := time.Now()
				runtime.ReadMemStats(new(runtime.MemStats)) // stops the world
				longest = max(longest, time.Since(start))
			}
		}
		if i.Close(); !errors.Is(err, ErrFuel) {
			t.Fatal(err)
		}
		took := time.Since(begin)
		t.Logf("a call of %s, the longest wait for it %s", took.Round(time.Millisecond), longest)
		if least = min(least, longest.Seconds()/took.Seconds()); least < 0.25 { // a slice is a fiftieth of it
			return
		}
	}
	t.Errorf("whoever stops the world waits for %.2f of a call at best", least)
}

// BenchmarkWait is how long whoever stops the world waits at most for a call with a decoder's fuel, by what the guest does.
func BenchmarkWait(b *testing.B) {
	zero := []byte{0x21, 0, 0x03, 0x40}
	for name, g := range map[string]*wasmtest.Guest{
		"loop":      {Process: wasmtest.Code(wasmtest.Forever, wasmtest.Local0)},
		"recursion": {Process: wasmtest.Code(wasmtest.Local0, wasmtest.Call(3))},
		"growth":    {Process: wasmtest.Code([]byte{0x03, 0x40}, wasmtest.Grow(1), []byte{0x0C, 0, 0x0B}, wasmtest.Local0)},
		"first touch": {Process: wasmtest.Code(wasmtest.Grow(1000), wasmtest.Const(1000<<16), zero, wasmtest.Local0, wasmtest.Const(4096), []byte{0x6B, 0x22, 0},
			wasmtest.Const(1), []byte{0x36, 2, 0}, wasmtest.Local0, []byte{0x0D, 0, 0x0B}, wasmtest.Forever, wasmtest.Local0)},
		"loads": loads(),
		"fill": {MinPages: 1024, Process: wasmtest.Code([]byte{0x03, 0x40}, wasmtest.Const(0), wasmtest.Const(1), wasmtest.Const(64<<20), []byte{0xFC, 11, 0, 0x0C, 0, 0x0B},
			wasmtest.Local0)},
	} {
		b.Run(name, func(b *testing.B) {
			m, err := Load(b.Context(), g.Bytes(), Options{ItemFuel: 50_000_000})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			var longest, call time.Duration
			for b.Loop() {
				i, err := m.Instantiate(b.Context(), nil)
				if err != nil {
					b.Fatal(err)
				}
				items(i.Input(), 1)
				done := make(chan time.Duration)
				go func() {
					begin := time.Now()
					_, _ = i.Call(1) // its fuel or its stack ends
					done <- time.Since(begin)
				}()
				for took := time.Duration(0); took == 0; {
					select {
					case took = <-done:
						call = max(call, took)
					default:
						start := time.Now()
						runtime.ReadMemStats(new(runtime.MemStats))
						longest = max(longest, time.Since(start))
					}
				}
				i.Close()
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms-wait")
			b.ReportMetric(float64(call.Microseconds())/1000, "ms-call")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// Fuel comes in slices, and what a call took is told over all of them.
func TestSpentOverSlices(t *testing.T) {
	const rounds = 1 << 20
	i, err := start(t, &wasmtest.Guest{Process: wasmtest.Code(wasmtest.Repeat(rounds, nil), wasmtest.Local0)}, Options{ItemFuel: 100 * slice}, nil)
	if err != nil {
		t.Fatal(err)
	}
	items(i.Input(), 1)
	var spent [2]int64
	for k := range spent {
		if _, err := i.Call(1); err != nil {
			t.Fatal(err)
		}
		spent[k] = i.Spent()
	}
	if spent[0] != spent[1] || spent[0] < 10*rounds || spent[0] > 30*rounds || spent[0] < 5*slice {
		t.Errorf("%d and %d units for %d rounds", spent[0], spent[1], rounds)
	}
}

// What a start function has the host do is charged from its first call on, not only once its first slice is used up.
func TestStartFunctionPays(t *testing.T) {
	i, err := start(t, &wasmtest.Guest{
		MinPages: 16,
		Imports:  []wasmtest.Import{{Module: wasiModule, Name: "random_get", Params: []byte{wasmtest.I32, wasmtest.I32}, Results: []byte{wasmtest.I32}}},
		Start:    wasmtest.Repeat(100, wasmtest.Const(wasmtest.SpareAt), wasmtest.Const(512<<10), wasmtest.Call(1), wasmtest.Drop),
	}, Options{}, nil)
	if !errors.Is(err, ErrFuel) {
		t.Errorf("%v (instance: %t), and it asked for 50 MiB", err, i != nil)
	}
}
