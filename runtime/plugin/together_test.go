package plugin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// drawEvents draws Interests of one burst, with blocks that some of them share, twice: for two strategies that each keep their own.
func drawEvents(t *rapid.T) (a, b []forward.Event) {
	var routes [2][3]forward.RouteScratch
	for range rapid.IntRange(2, forward.MaxTogether).Draw(t, "events") {
		ev := *drawEvent(t)
		ev.Kind = forward.InterestIn
		for k := range ev.Hops {
			m := &ev.Hops[k].Measure
			m.RTT, m.Var, m.Loss = rapid.Uint32Range(0, 90_000).Draw(t, "rtt"), rapid.Uint32Range(0, 9000).Draw(t, "var"), rapid.Uint16().Draw(t, "loss")
			m.Silent, m.Queue = rapid.Uint32Range(0, 200).Draw(t, "silent"), forward.QueueUnknown
		}
		route, pending := rapid.IntRange(0, 3).Draw(t, "route"), rapid.Bool().Draw(t, "pending")
		for k, list := range []*[]forward.Event{&a, &b} {
			own := ev
			if route < 3 {
				own.Route = &routes[k][route]
			}
			if pending {
				own.Pending = &forward.PendingScratch{}
			}
			*list = append(*list, own)
		}
	}
	return a, b
}

// room gives what DecideAll appends to.
func room(n int) [][]forward.Command {
	out := make([][]forward.Command, n)
	for k := range out {
		out[k] = make([]forward.Command, 0, forward.MaxCommands)
	}
	return out
}

// What a plugin decides in one call is what it decides in one for each, and what it leaves in the blocks.
func TestTogetherIsAsOneByOne(t *testing.T) {
	for _, name := range []string{"adaptive", "self-learning"} {
		t.Run(name, func(t *testing.T) {
			m, _ := manager(t, Options{})
			load(t, m, "one", builtin(t, name))
			load(t, m, "all", builtin(t, name))
			one, all := strategyOf(t, m, "one", 0), strategyOf(t, m, "all", 0).(forward.Gatherer)
			events := 0
			rapid.Check(t, func(t *rapid.T) {
				a, b := drawEvents(t)
				events += len(a)
				out := room(len(b))
				all.DecideAll(b, out)
				for k := range a {
					if want := one.Decide(&a[k], nil); !slices.Equal(out[k], want) || a[k].Reuse != b[k].Reuse {
						t.Fatalf("event %d of %d: %+v %+v, alone %+v %+v", k, len(a), out[k], b[k].Reuse, want, a[k].Reuse)
					}
				}
				for k := range a {
					if a[k].Route != nil && *a[k].Route != *b[k].Route || a[k].Pending != nil && *a[k].Pending != *b[k].Pending {
						t.Fatalf("event %d of %d leaves other blocks than alone", k, len(a))
					}
				}
			})
			for _, s := range m.List() {
				if s.Degraded+s.Traps > 0 || s.Calls != uint64(events) {
					t.Errorf("%+v, want %d calls", s, events)
				}
			}
		})
	}
}

// batcher is a hand-made strategy that takes batches and answers every event with "send to face 3". It counts in the route's block as counter does, once
// a call. more runs after that.
func batcher(more ...[]byte) *wasmtest.Guest {
	g := counter("batcher/1", abi.FeatureBatch, more...)
	g.Region = map[int][2]uint32{
		abi.ArenaInput: {wasmtest.InputAt, abi.StrategyBatchInput}, abi.ArenaState: {stateAt, 0}, abi.ArenaConfig: {2048, 1024},
	}
	g.Region[abi.ArenaState] = [2]uint32{batcherState, abi.StrategyBatchState}
	add := func(at, n int) []byte {
		return wasmtest.Code(wasmtest.Const(at), wasmtest.Const(at), []byte{0x28, 2, 0}, wasmtest.Const(n), []byte{0x6A, 0x36, 2, 0})
	}
	g.Process = wasmtest.Code(add(batcherState, 1), wasmtest.Code(more...), wasmtest.Local0)
	g.Output = nil
	for range abi.StrategyBatch {
		g.Output = append(g.Output, wasmtest.Item(abi.StatusOK, 1, abi.SendTo, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)...)
	}
	return g
}

const batcherState = 40960

// ifMany does something if the call has more than one item; ifAlone if it has one, with a FSEQ.
func ifMany(what ...[]byte) []byte {
	return wasmtest.Code(wasmtest.Local0, wasmtest.Const(1), []byte{0x4A, 0x04, 0x40}, wasmtest.Code(what...), []byte{0x0B})
}

func ifAlone(seq int, what ...[]byte) []byte {
	return wasmtest.Code(wasmtest.Local0, wasmtest.Const(1), []byte{0x46, 0x04, 0x40},
		wasmtest.Const(wasmtest.InputAt+abi.EventSeq), []byte{0x28, 2, 0}, wasmtest.Const(seq), []byte{0x46, 0x04, 0x40}, wasmtest.Code(what...), []byte{0x0B, 0x0B})
}

// tenEvents is ten events of one route, with the FSEQ 100 to 109.
func tenEvents() ([]forward.Event, *forward.RouteScratch) {
	route := &forward.RouteScratch{Owner: 1}
	events := make([]forward.Event, 10)
	for k := range events {
		events[k] = *twoHops()
		events[k].Seq, events[k].Route = 100+uint32(k), route
	}
	return events, route
}

func faces(out [][]forward.Command) (list []int) {
	for _, c := range out {
		for _, cmd := range c {
			list = append(list, int(cmd.Face))
		}
	}
	return list
}

// One item's failure is no other's: those that came with it are decided by the plugin, each once, and the blocks know nothing of the call that failed.
func TestWhatGoesWrongTogether(t *testing.T) {
	at := func(item int) []byte { return wasmtest.Store(wasmtest.ProgressAt, item) }
	fourth := wasmtest.OutputAt + 4*(abi.OutHead+abi.CommandSize)
	all, but4 := []int{3, 3, 3, 3, 3, 3, 3, 3, 3, 3}, []int{3, 3, 3, 3, 2, 3, 3, 3, 3, 3}
	for name, c := range map[string]struct {
		more     []byte
		faces    []int
		counted  byte // in the route's block: calls that count
		traps    uint64
		degraded uint64
		input    bool // it is known which item it was
	}{
		"nothing":        {nil, all, 1, 0, 0, false},
		"trap":           {ifMany(at(4), wasmtest.Unreachable), but4, 9, 1, 1, true},
		"trap also then": {wasmtest.Code(ifMany(at(4), wasmtest.Unreachable), ifAlone(107, wasmtest.Unreachable)), []int{3, 3, 3, 3, 2, 3, 3, 2, 3, 3}, 8, 2, 2, true},
		"wrong answer":   {ifMany(wasmtest.Write(fourth+abi.OutHead, 99)), but4, 9, 1, 1, true},
		"no answer":      {ifMany(wasmtest.Write(fourth+abi.OutStatus, 1)), all, 10, 0, 0, false},
		"no fuel":        {ifMany(at(4), wasmtest.Forever), all, 10, 1, 0, false},
		"too few":        {ifMany(wasmtest.Const(3), []byte{0x0F}), []int{2, 3, 3, 3, 3, 3, 3, 3, 3, 3}, 9, 1, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, journal := manager(t, Options{})
			load(t, m, "s", handMade(batcher(c.more)))
			settle(m) // a spare, so that nothing waits for a fresh instance
			s := strategyOf(t, m, "s", 0).(*StrategyHolder)
			version := s.current.Load().crew.version
			events, route := tenEvents()
			out := room(len(events))
			if name == "trap also then" { // after it there is no spare: the Manager makes another instance, or best-route decides
				for k := 8; k < 10; k++ {
					c.faces[k] = 2
				}
				c.counted, c.degraded = 6, 4
				p, err := m.find("s")
				if err != nil {
					t.Fatal(err)
				}
				p.mu.Lock() // so that it does not come to it
				s.DecideAll(events, out)
				p.mu.Unlock()
			} else {
				s.DecideAll(events, out)
			}
			if got := faces(out); !slices.Equal(got, c.faces) {
				t.Errorf("sent to %v, want %v", got, c.faces)
			}
			if route.Bytes[0] != c.counted {
				t.Errorf("%d calls have left their count, want %d", route.Bytes[0], c.counted)
			}
			for range c.traps {
				await(t, journal, "trapped")
			}
			st := m.List()[0]
			if st.Traps != c.traps || st.Degraded != c.degraded || st.Calls != uint64(len(events)) {
				t.Errorf("%d traps and %d decided by best-route of %d, want %d and %d of %d: %+v", st.Traps, st.Degraded, st.Calls, c.traps, c.degraded, len(events), st.LastTrap)
			}
			if list := version.killers.any(); c.input != (len(list) > 0) {
				t.Errorf("%d inputs are remembered", len(list))
			}
		})
	}
}

// An input to which there was no answer is not to blame for what ends the instance later.
func TestNoAnswerIsNoKiller(t *testing.T) {
	m, journal := manager(t, Options{})
	load(t, m, "s", handMade(batcher(ifAlone(107, wasmtest.Write(wasmtest.OutputAt+abi.OutStatus, 1)), ifMany(wasmtest.Forever))))
	s := strategyOf(t, m, "s", 0).(*StrategyHolder)
	version := s.current.Load().crew.version
	events, _ := tenEvents()
	if out := s.Decide(&events[7], nil); len(out) != 1 || out[0].Face != 2 {
		t.Fatalf("it is sent to %v", out)
	}
	s.DecideAll(events, room(len(events)))
	await(t, journal, "trapped")
	if list := version.killers.any(); len(list) > 0 {
		t.Errorf("%d inputs are remembered", len(list))
	}
}

// A version whose batch has run out of fuel is handed one event at a time from then on, and each has its own fuel.
func TestFuelTogether(t *testing.T) {
	m, journal := manager(t, Options{})
	load(t, m, "s", handMade(batcher(ifMany(wasmtest.Forever))))
	s := strategyOf(t, m, "s", 0).(*StrategyHolder)
	events, _ := tenEvents()
	start := time.Now()
	s.DecideAll(events, room(len(events)))
	took := time.Since(start)
	if e := await(t, journal, "trapped"); !strings.Contains(e.Why, "used up its fuel") {
		t.Errorf("%+v", e)
	}
	await(t, journal, "replaced")
	t.Logf("a runaway of ten events took %v", took)
	for range 3 {
		out := room(len(events))
		s.DecideAll(events, out)
		if got := faces(out); slices.Contains(got, 2) {
			t.Errorf("sent to %v", got)
		}
	}
	if st := m.List()[0]; st.Traps != 1 || st.Limits["item_fuel"] != 1 {
		t.Errorf("%+v", st)
	}
}

// There are as many events in a call as half of its fuel should do, by what an event of this version has taken.
func TestHowManyTogether(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", handMade(batcher()))
	s := strategyOf(t, m, "s", 0).(*StrategyHolder).current.Load()
	for each, want := range map[int64]int{0: 64, 10: 64, 40_000: 25, 600_000: 1, 1_000_000: 1, 2_000_000: 0} {
		s.crew.version.each.Store(each)
		if got := s.most(); got != want {
			t.Errorf("%d events that take %d units, want %d", got, each, want)
		}
	}
}

// Who says that it takes batches must have room for them.
func TestRoomForABatch(t *testing.T) {
	m, _ := manager(t, Options{})
	for region, want := range map[int]string{
		abi.ArenaInput: fmt.Sprintf("the input region has 8192 bytes, want at least %d", abi.StrategyBatchInput), abi.ArenaState: "the state region has 160 bytes, want at least 10240",
	} {
		g := batcher()
		g.Region[region] = [2]uint32{g.Region[region][0], map[int]uint32{abi.ArenaInput: 8192, abi.ArenaState: 160}[region]}
		if err := m.Load(t.Context(), Spec{Name: "s", Source: handMade(g)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
}

// Who takes batches and keeps nothing may have any state region.
func TestABatchWithoutBlocks(t *testing.T) {
	for _, size := range []uint32{0, 16, abi.ScratchSize + 8} {
		m, _ := manager(t, Options{})
		g := batcher()
		g.Words[abi.ArenaFeatures] &^= abi.FeatureScratch
		g.Region[abi.ArenaState] = [2]uint32{batcherState, size}
		delete(g.Manifest, "state")
		load(t, m, "s", handMade(g))
		events, _ := tenEvents()
		for k := range events {
			events[k].Route = nil // as a worker does it
		}
		out := room(len(events))
		strategyOf(t, m, "s", 0).(forward.Gatherer).DecideAll(events, out)
		if got, st := faces(out), m.List()[0]; slices.Contains(got, 2) || st.Calls != 10 || st.Traps > 0 {
			t.Errorf("state of %d bytes: sent to %v, %+v", size, got, st)
		}
	}
}

// What is no batch as the SDK has it ends at the item that is wrong; one of larger records is read.
func TestOtherBatches(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "s", builtin(t, "best-route"))
	le := binary.LittleEndian
	for name, c := range map[string]struct {
		change func(first, second []byte)
		size   int // of a record
		item   int // that it traps at; -1: none
	}{
		"whole":     {func(_, _ []byte) {}, abi.HopSize, -1},
		"larger":    {func(_, _ []byte) {}, abi.HopSize + 8, -1},
		"fixed":     {func(_, b []byte) { le.PutUint16(b[abi.ItemFixed:], abi.EventFixed+8) }, abi.HopSize, 1},
		"hop size":  {func(_, b []byte) { le.PutUint16(b[abi.EventHopSize:], abi.HopSize+64) }, abi.HopSize, 1},
		"hops":      {func(_, b []byte) { le.PutUint16(b[abi.EventHopCount:], 9) }, abi.HopSize, 1},
		"size":      {func(_, b []byte) { le.PutUint32(b, 0xFFFFFFF8) }, abi.HopSize, 1},
		"block":     {func(_, b []byte) { le.PutUint16(b[abi.EventShares:], 2) }, abi.HopSize, 1},
		"first":     {func(b, _ []byte) { le.PutUint32(b, 8) }, abi.HopSize, 0},
		"too large": {func(b, _ []byte) { le.PutUint32(b, 1<<31) }, abi.HopSize + 8, 0},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := strategyOf(t, m, "s", 0).(*StrategyHolder).current.Load().crew.version.module.Instantiate(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close()
			in, size := i.Input(), abi.EventFixed+c.size
			for k := range 2 {
				b := in[k*size:][:size]
				clear(b)
				writeEvent(b[:abi.EventFixed], &forward.Event{Seq: 7}, 0)
				le.PutUint32(b, uint32(size))
				le.PutUint16(b[abi.EventHopSize:], uint16(c.size))
				le.PutUint16(b[abi.EventHopCount:], 1)
				le.PutUint32(b[abi.EventFixed:], uint32(10+k))
			}
			c.change(in[:size], in[size:][:size])
			b, err := i.Call(2)
			var trap *engine.Trap
			switch {
			case c.item < 0 && err == nil:
				for k := range 2 {
					var out []forward.Command
					if out, b, err = readAnswer(b, 4, &forward.Event{}, nil); err != nil || len(out) != 1 || out[0].Face != forward.FaceID(10+k) {
						t.Errorf("item %d: %+v, %v", k, out, err)
					}
				}
			case c.item < 0 || !errors.As(err, &trap) || trap.Item != c.item:
				t.Errorf("%v", err)
			}
		})
	}
}

func TestDecideAllDoesNotAllocate(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "adaptive", builtin(t, "adaptive"))
	s := strategyOf(t, m, "adaptive", 0).(*StrategyHolder)
	events, _ := tenEvents()
	out := room(len(events))
	settle(m)
	if n := testing.AllocsPerRun(100, func() {
		for k := range out {
			out[k] = out[k][:0]
		}
		s.DecideAll(events, out)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever the output region has, an answer is commands that can be, or an error.
func FuzzReadAnswer(f *testing.F) {
	f.Add(wasmtest.Item(abi.StatusOK, 1, make([]byte, abi.CommandSize)...), 4)
	f.Add(bytes.Repeat(wasmtest.Item(abi.StatusFailed, 0), 3), 4)
	f.Add(wasmtest.Item(abi.StatusOK, 2, make([]byte, 48)...), 1)
	reuse := wasmtest.Item(abi.StatusOK, 1, make([]byte, abi.CommandSize)...)
	binary.LittleEndian.PutUint32(reuse[abi.OutReuse:], 64|10<<16)
	f.Add(reuse, 4)
	f.Fuzz(func(t *testing.T, b []byte, most int) {
		for most = min(max(most, 0), abi.MaxCommands); len(b) > 0; {
			var ev forward.Event
			out, rest, err := readAnswer(b, most, &ev, nil)
			if r := ev.Reuse; r.For < 0 || r.For > 65535*time.Millisecond || err != nil && r != (forward.Reuse{}) {
				t.Fatalf("%+v, %v", r, err)
			}
			if len(rest) >= len(b) || len(out) > most {
				t.Fatalf("%d commands of %d, %d bytes of %d are left", len(out), most, len(rest), len(b))
			}
			for _, c := range out {
				if c.Op > forward.SetTimer || c.Delay < 0 || c.Op == forward.SendReturn && (c.Reason == 0 || c.Reason > wire.ReturnTTL) {
					t.Fatalf("%+v", c)
				}
			}
			if err != nil && !errors.Is(err, errFailed) && !errors.Is(err, errOutput) && !errors.Is(err, errCommand) && !errors.Is(err, engine.ErrOutput) {
				t.Fatal(err)
			}
			b = rest
		}
	})
}
