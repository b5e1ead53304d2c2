package engine

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// host is an import of the contract: its types as in contractCalls.
func host(name string) wasmtest.Import {
	call := contractCalls[name]
	i := wasmtest.Import{Module: abi.ImportModule, Name: name}
	for _, t := range call.params {
		i.Params = append(i.Params, map[rune]byte{'i': wasmtest.I32, 'I': wasmtest.I64}[t])
	}
	if call.result {
		i.Results = []byte{wasmtest.I32}
	}
	return i
}

// at is a text in the message region: address and size.
func at(size int) []byte {
	return wasmtest.Code(wasmtest.Const(wasmtest.MessageAt), wasmtest.Const(size))
}

func TestLogBytes(t *testing.T) {
	line := func(size int) []byte { return wasmtest.Code(wasmtest.Const(1), at(size), wasmtest.Call(1)) }
	g := &wasmtest.Guest{
		Imports: []wasmtest.Import{host(abi.ImportLog)},
		Process: wasmtest.Code(line(20), line(20), line(1030), line(20), wasmtest.Local0), Message: strings.Repeat("x", 20),
	}
	lines, account := 0, NewAccount(AccountLimits{LogBytes: 4})
	i, err := start(t, g, Options{Grants: []string{CapLog}, Log: func(int, string) { lines++ }, Account: account}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i.mod.Activate()
	if _, err := i.Call(1); err != nil {
		t.Fatal(err)
	}
	if got := account.Hits(); lines != 2 || got["log_bytes"] != 3 || len(got) != 1 { // the long one is cut, and then dropped
		t.Errorf("%d lines, %v", lines, got)
	}
}

func TestMetrics(t *testing.T) {
	g := &wasmtest.Guest{
		Imports: []wasmtest.Import{host(abi.ImportCount), host(abi.ImportGauge)},
		Process: wasmtest.Code(
			at(2), wasmtest.Const64(3), wasmtest.Call(1), at(2), wasmtest.Const64(4), wasmtest.Call(1),
			at(3), wasmtest.Const64(int64(math.Float64bits(-1.5))), wasmtest.Call(2),
			at(4), wasmtest.Const64(1), wasmtest.Call(1), // a third: one too many
			at(2), wasmtest.Const64(-1), wasmtest.Call(1), // less than none
			at(2), wasmtest.Const64(int64(math.Float64bits(math.NaN()))), wasmtest.Call(2),
			wasmtest.Const(-1), wasmtest.Const(-1), wasmtest.Const64(1), wasmtest.Call(1), // no name
			wasmtest.Local0),
		Message: "abcd",
	}
	account := NewAccount(AccountLimits{Series: 2})
	i, err := start(t, g, Options{Grants: []string{CapMetrics}, Account: account}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Call(1); err != nil { // not yet activated: it leaves nothing
		t.Fatal(err)
	}
	if got := account.Series(); len(got) != 0 {
		t.Errorf("%v before it is active", got)
	}
	i.mod.Activate()
	if _, err := i.Call(1); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(account.Series()); got != "[{ab false 7} {abc true -1.5}]" || account.Hits()["metric_series"] != 4 {
		t.Errorf("%s, %v", got, account.Hits())
	}
}

func TestMetricNames(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "interests_sent2": true, strings.Repeat("a", 63): true,
		"": false, "_a": false, "2": false, "a-b": false, "A": false, "a\n": false, "ä": false, strings.Repeat("a", 64): false,
	} {
		if metricName([]byte(name)) != good {
			t.Errorf("%q: %v", name, !good)
		}
	}
}

func TestStateOverInstances(t *testing.T) {
	g := &wasmtest.Guest{
		Imports: []wasmtest.Import{host(abi.ImportStateGet), host(abi.ImportStateSet)},
		// The size of the value goes to the progress word, the value to the output; then it is set to "cd".
		Process: wasmtest.Code(
			wasmtest.Const(wasmtest.OutputAt+64), at(2), wasmtest.Const(wasmtest.OutputAt+72), wasmtest.Const(8), wasmtest.Call(1), []byte{0x36, 2, 0},
			at(2), wasmtest.Const(wasmtest.MessageAt+2), wasmtest.Const(2), wasmtest.Call(2), wasmtest.Drop, wasmtest.Local0),
		Message: "abcd", Manifest: map[string]any{"state": "one"}, Output: make([]byte, 128),
	}
	account := NewAccount(AccountLimits{})
	size := func(g *wasmtest.Guest) (uint32, string) {
		i, err := start(t, g, Options{Grants: []string{CapState}, Account: account}, nil)
		if err != nil {
			t.Fatal(err)
		}
		i.mod.Activate()
		out, err := i.Call(1)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(out[64]) | uint32(out[65])<<8 | uint32(out[66])<<16 | uint32(out[67])<<24, string(out[72:74])
	}
	if n, _ := size(g); n != abi.StateNone {
		t.Errorf("%d bytes before anything was set", n)
	}
	if n, v := size(g); n != 2 || v != "cd" {
		t.Errorf("%d bytes, %q in the next instance", n, v)
	}
	g.Manifest = map[string]any{"state": "two"}
	if n, _ := size(g); n != abi.StateNone {
		t.Errorf("%d bytes with another schema", n)
	}
}

// The state is a map with a bound, whatever is done with it.
func TestStateIsABoundedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := NewAccount(AccountLimits{StateBytes: 300})
		a.SetSchema("s")
		model, refused := map[string]string{}, uint64(0)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			key := rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 2, -1).Draw(t, "key")
			value := strings.Repeat("v", rapid.IntRange(0, 200).Draw(t, "size"))
			after := map[string]string{}
			for k, v := range model {
				after[k] = v
			}
			after[key] = value
			if value == "" {
				delete(after, key)
			}
			used := 0
			for k, v := range after {
				used += len(k) + len(v) + pairCost
			}
			fits := key != "" && used <= 300
			if fits {
				model = after
			} else {
				refused++
			}
			if got := a.set("s", []byte(key), []byte(value)); got != fits {
				t.Fatalf("set %q to %d bytes: %v, want %v", key, len(value), got, fits)
			}
			room := make([]byte, 200)
			n, ok := a.get("s", []byte(key), room)
			if want, has := model[key]; ok != has || string(room[:n]) != want {
				t.Fatalf("get %q: %q, %v, want %q", key, room[:n], ok, want)
			}
		}
		used := 0
		for k, v := range model {
			used += len(k) + len(v) + pairCost
		}
		if keys, got := a.StateSize(); keys != len(model) || got != used || a.Hits()["state_bytes"] != refused {
			t.Fatalf("%d keys and %d bytes, want %d and %d; %v", keys, got, len(model), used, a.Hits())
		}
		if a.set("other", []byte("k"), []byte("v")) || a.SetSchema("other") != len(model) {
			t.Fatal("another schema")
		}
	})
}

// Where fuel ends, the trap says so and the limit's counter tells which.
func TestFuelLimits(t *testing.T) {
	const run = 1 << 20
	loop := wasmtest.Forever
	for want, c := range map[string]struct {
		guest wasmtest.Guest
		opt   Options
	}{
		"item_fuel":     {guest: wasmtest.Guest{Process: wasmtest.Code(loop, wasmtest.Local0)}},
		"idle_fuel":     {guest: wasmtest.Guest{Idle: loop}, opt: Options{IdleFuel: run}},
		"start_fuel   ": {guest: wasmtest.Guest{Configure: wasmtest.Code(loop, wasmtest.Const(0))}, opt: Options{StartFuel: run}},
		"start_fuel ":   {guest: wasmtest.Guest{Initialize: loop}, opt: Options{StartFuel: run}},
		"start_fuel  ":  {guest: wasmtest.Guest{Init: wasmtest.Code(loop, wasmtest.Const(0))}, opt: Options{StartFuel: run}},
		"start_fuel":    {guest: wasmtest.Guest{Start: loop}, opt: Options{StartFuel: run}},
	} {
		m, err := Load(t.Context(), c.guest.Bytes(), c.opt)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		i, err := m.Instantiate(t.Context(), nil)
		if err == nil {
			defer i.Close()
			if err = i.Idle(); err == nil {
				items(i.Input(), 1)
				_, err = i.Call(1)
			}
			if !i.Dead() {
				t.Errorf("%s: it is alive", want)
			}
		}
		limit := strings.TrimSpace(want)
		if hits := m.account.Load().Hits(); !errors.Is(err, ErrFuel) || hits[limit] != 1 || len(hits) != 1 {
			t.Errorf("%s: %v, %v", want, err, hits)
		}
	}
}

func TestSpent(t *testing.T) {
	i, err := start(t, &wasmtest.Guest{Process: wasmtest.Code(wasmtest.Repeat(100, nil), wasmtest.Local0)}, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	items(i.Input(), 1)
	if _, err := i.Call(1); err != nil || i.Spent() < 1000 || i.Spent() > 3000 {
		t.Errorf("%d units for a hundred rounds, %v", i.Spent(), err)
	}
}

func TestIdleHook(t *testing.T) {
	i, err := start(t, &wasmtest.Guest{Idle: wasmtest.Store(wasmtest.OutputAt, 7), Output: make([]byte, 8)}, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Idle(); err != nil || !i.HasIdle() {
		t.Fatal(err)
	}
	if out, err := i.Call(0); err != nil || out[0] != 7 {
		t.Errorf("%v, %v", out[:1], err)
	}
}

// A flood of calls of the host is stopped by fuel, and soon: each is charged for what the host does.
func TestHostCallFloods(t *testing.T) {
	for name, args := range map[string][]byte{
		abi.ImportLog:      wasmtest.Code(wasmtest.Const(1), at(60)),
		abi.ImportCount:    wasmtest.Code(at(1), wasmtest.Const64(1)),
		abi.ImportGauge:    wasmtest.Code(at(1), wasmtest.Const64(0)),
		abi.ImportStateGet: wasmtest.Code(at(1), wasmtest.Const(wasmtest.OutputAt), wasmtest.Const(4096)),
		abi.ImportStateSet: wasmtest.Code(at(1), wasmtest.Const(wasmtest.OutputAt), wasmtest.Const(4096)),
	} {
		code := wasmtest.Code(args, wasmtest.Call(1))
		if contractCalls[name].result {
			code = wasmtest.Code(code, wasmtest.Drop)
		}
		g := &wasmtest.Guest{
			Imports: []wasmtest.Import{host(name)}, Process: wasmtest.Code(wasmtest.Repeat(1<<30, code), wasmtest.Local0),
			Message: strings.Repeat("a", 60),
		}
		i, err := start(t, g, Options{Grants: Capabilities, Log: func(int, string) {}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		items(i.Input(), 1)
		begin := time.Now()
		_, err = i.Call(1)
		if took := time.Since(begin); !errors.Is(err, ErrFuel) || took > time.Second {
			t.Errorf("%s: %v after %s", name, err, took)
		}
	}
}

// A guest that the host has lost patience with ends at the next host function that it calls, at its next slice of fuel, or at the end of the call.
func TestExpire(t *testing.T) {
	flood := wasmtest.Repeat(1<<30, wasmtest.Call(0), wasmtest.Drop) // features
	for what, code := range map[string][]byte{
		"end of the call": wasmtest.Local0, "flood": wasmtest.Code(flood, wasmtest.Local0), "loop": wasmtest.Code(wasmtest.Forever, wasmtest.Local0),
	} {
		i, err := start(t, &wasmtest.Guest{Process: code}, Options{ItemFuel: 1 << 50}, nil)
		if err != nil {
			t.Fatal(err)
		}
		i.Expire()
		items(i.Input(), 1)
		if _, err := i.Call(1); !errors.Is(err, ErrTime) || i.mod.account.Load().Hits()["call_time"] != 1 || !i.Dead() {
			t.Errorf("%s: %v", what, err)
		}
	}
	i, err := start(t, &wasmtest.Guest{Idle: []byte{0x01}}, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i.Expire()
	var trap *Trap
	if err := i.Idle(); !errors.As(err, &trap) || trap.In != abi.ExportIdle || !errors.Is(err, ErrTime) {
		t.Errorf("the end of the idle hook: %v", err) // and the next call would be told to have been too long
	}
}

// What is touched when the instance is made is in memory before the first call.
func TestMemoryLimitIsCounted(t *testing.T) {
	g := &wasmtest.Guest{Process: wasmtest.Code(wasmtest.Grow(60), wasmtest.Unreachable)}
	i, err := start(t, g, Options{MaxMemory: 64 * page}, nil)
	if err != nil {
		t.Fatal(err)
	}
	items(i.Input(), 1)
	if _, err := i.Call(1); err == nil || i.mod.account.Load().Hits()["memory"] != 1 {
		t.Errorf("%v, %v", err, i.mod.account.Load().Hits())
	}
}

// A language's runtime is told to leave its garbage to the idle hook, if there is one.
func TestEnvironment(t *testing.T) {
	g := &wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: wasiModule, Name: "environ_get", Params: []byte{wasmtest.I32, wasmtest.I32}, Results: []byte{wasmtest.I32}}},
		Process: wasmtest.Code(wasmtest.Const(wasmtest.OutputAt), wasmtest.Const(wasmtest.OutputAt+16), wasmtest.Call(1), wasmtest.Drop, wasmtest.Local0),
		Output:  make([]byte, 64),
	}
	for idle, want := range map[bool]string{true: "GOGC=off\x00GOMEMLIMIT=6291456\x00", false: ""} {
		g.Idle = nil
		if idle {
			g.Idle = []byte{}
		}
		i, err := start(t, g, Options{MaxMemory: 8 << 20}, nil)
		if err != nil {
			t.Fatal(err)
		}
		out, err := i.Call(0)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimRight(string(out[16:64]), "\x00"); got != strings.TrimRight(want, "\x00") {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
