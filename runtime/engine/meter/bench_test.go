package meter_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// decision writes an event with eight next hops, of which the last is free.
func decision(in []byte) {
	le := binary.LittleEndian
	clear(in[:abi.EventFixed+8*abi.HopSize])
	le.PutUint32(in[abi.ItemSize:], abi.EventFixed+8*abi.HopSize)
	le.PutUint16(in[abi.ItemFixed:], abi.EventFixed)
	le.PutUint16(in[abi.EventHopSize:], abi.HopSize)
	le.PutUint16(in[abi.EventHopCount:], 8)
	le.PutUint32(in[abi.EventInFace:], 1)
	for k := range uint64(8) {
		state := uint64(abi.HopTried)
		if k == 7 {
			state = 0
		}
		le.PutUint64(in[abi.EventFixed+k*abi.HopSize:], k+1|k<<32|state<<48)
	}
}

// Decisions are handed over 16 at a time, so that the guest's time counts and not the host's.
const (
	batch     = 16
	eventSize = abi.EventFixed + 8*abi.HopSize
)

// goGuest loads a plugin that ships and gives a function that makes n decisions.
func goGuest(b *testing.B, name string, unmetered bool) func(n int) {
	code := plugin(b, name)
	m, err := engine.Load(b.Context(), code, engine.Options{Unmetered: unmetered, MinInput: abi.StrategyInput, MinOutput: abi.StrategyOutput})
	if err != nil {
		b.Fatal(err)
	}
	i, err := m.Instantiate(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { i.Close(); m.Close() })
	for k := range batch {
		decision(i.Input()[k*eventSize:])
	}
	return func(n int) {
		for range n / batch {
			if _, err := i.Call(batch); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// compare runs two functions in turn, so that what else the machine does meets both, and reports the time of the fastest rounds.
func compare(b *testing.B, plain, metered func(n int)) {
	const calls = 2000
	plain(calls)
	metered(calls)
	var times [2][]float64
	for b.Loop() {
		for k, run := range []func(int){plain, metered} {
			start := time.Now()
			run(calls)
			times[k] = append(times[k], float64(time.Since(start))/calls)
		}
	}
	slices.Sort(times[0])
	slices.Sort(times[1])
	at := len(times[0]) / 10
	b.ReportMetric(times[0][at], "plain-ns")
	b.ReportMetric(times[1][at], "metered-ns")
	b.ReportMetric(times[1][at]/times[0][at], "ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGoDecision is a strategy in Go with eight next hops.
func BenchmarkGoDecision(b *testing.B) {
	for _, name := range []string{"best-route", "multicast"} {
		b.Run(name, func(b *testing.B) { compare(b, goGuest(b, name, true), goGuest(b, name, false)) })
	}
}

// native gives a function that makes n decisions with a hand-made guest.
func native(b *testing.B, module []byte) func(n int) {
	g := run(b, module)
	for k := range batch {
		event := make([]byte, eventSize)
		decision(event)
		g.Memory().Write(uint32(inputAt+k*eventSize), event)
	}
	f, stack := g.ExportedFunction("process"), make([]uint64, 1)
	return func(n int) {
		for range n / batch {
			stack[0] = batch
			if err := f.CallWithStack(b.Context(), stack); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkCDecision is a strategy as clang would write it, with eight next hops and 96 bytes of scratch for the route: in one
// function, with a function for each next hop, and with one for each decision.
func BenchmarkCDecision(b *testing.B) {
	for name, p := range map[string]*program{"inline": weighing(0), "call per hop": weighing(1), "indirect per hop": weighing(2)} {
		module := p.bytes()
		m, err := endless(module)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) { compare(b, native(b, module), native(b, m)) })
	}
}
