package plugin

import (
	"errors"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

const twoEvents = "interest\nhop face=3\n----\nsend 3\n\nretry\nhop face=3\n----\nsend 3\n"

// works is code that costs fuel and does nothing.
var works = wasmtest.From(1, []byte{0x03, 0x40}, wasmtest.From(1000, []byte{0x0C, 0x01}), []byte{0x0B}) // loop if … br 1 end end

// with gives a sender to face 3 with events of its own.
func with(events string, process ...[]byte) *wasmtest.Guest {
	g := sender(3)
	g.Manifest = map[string]any{"events": events}
	if process != nil {
		g.Process = wasmtest.Code(append(process, wasmtest.Local0)...)
	}
	return g
}

// try runs a trial that must begin.
func try(t *testing.T, g *wasmtest.Guest, opt TrialOptions) *Trial {
	t.Helper()
	got, err := Try(t.Context(), handMade(g), opt)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTrialOfEvents(t *testing.T) {
	got := try(t, with(twoEvents, works), TrialOptions{})
	if got.Passed != 2 || got.Failed != 0 || got.Kind != KindStrategy || string(got.Events) != twoEvents {
		t.Errorf("%+v", got)
	}
	c := got.Cases[1]
	if c.Name != "events:6: retry" || !c.OK || c.Fuel == 0 || c.Time == 0 || c.Memory != 128<<10 {
		t.Errorf("%+v", c)
	}
	if got.Start.Time == 0 || got.Start.Memory != 128<<10 {
		t.Errorf("start %+v", got.Start)
	}

	wrong := strings.Replace(twoEvents, "send 3\n", "send 4\n", 1)
	got = try(t, with(twoEvents), TrialOptions{Events: []byte(wrong), Name: "other.txt"})
	if got.Passed != 1 || got.Failed != 1 || got.Cases[0].Name != "other.txt:1: interest" || got.Cases[0].Why != "- send 4\n+ send 3\n" || string(got.Events) != twoEvents {
		t.Errorf("%+v, %s", got, got.Events)
	}
}

// A guest that loops, or traps, has a plain verdict; a life that the script begins anew is another instance.
func TestTrialOfHostileGuests(t *testing.T) {
	for want, process := range map[string][]byte{
		"it used up its fuel": wasmtest.From(2, wasmtest.Forever),
		"unreachable":         wasmtest.From(2, wasmtest.Unreachable),
		"output is damaged":   wasmtest.From(2, wasmtest.Write(wasmtest.OutputAt, 1)),
	} {
		got := try(t, with(twoEvents, process), TrialOptions{})
		if got.Passed != 1 || got.Cases[1].OK || !strings.Contains(got.Cases[1].Why, "+ trap\n") || !strings.Contains(got.Cases[1].Why, want) {
			t.Errorf("%s: %+v", want, got)
		}
		calm := strings.Replace(twoEvents, "retry", "config\n\nretry", 1)
		if got = try(t, with(calm, process), TrialOptions{}); got.Failed != 0 {
			t.Errorf("%s, two lives: %+v", want, got)
		}
		expected := strings.Replace(twoEvents, "retry\nhop face=3\n----\nsend 3\n", "retry\nhop face=3\n----\ntrap\n", 1)
		if got = try(t, with(expected, process), TrialOptions{}); got.Failed != 0 {
			t.Errorf("%s, expected: %+v", want, got)
		}
	}
	loop := with(twoEvents)
	loop.Init = wasmtest.Code(wasmtest.Forever, wasmtest.Const(0))
	if _, err := Try(t.Context(), handMade(loop), TrialOptions{}); err == nil || !strings.Contains(err.Error(), "events:1: trap in zmesh_init: it used up its fuel") {
		t.Error(err)
	}
}

// A plugin that asks for randomness is granted it, and an answer that hangs on it is not always the same.
func TestTrialSeesChance(t *testing.T) {
	g := with("interest\nhop face=3\n----\nnothing\n")
	g.Manifest["capabilities"] = []string{engine.CapRandom}
	g.Imports = []wasmtest.Import{{Module: "wasi_snapshot_preview1", Name: "random_get", Params: []byte{wasmtest.I32, wasmtest.I32}, Results: []byte{wasmtest.I32}}}
	const face = wasmtest.OutputAt + abi.OutHead + abi.CommandFace
	g.Process = wasmtest.Code(wasmtest.Const(face), wasmtest.Const(4), wasmtest.Call(1), wasmtest.Drop, wasmtest.Local0)
	if got := try(t, g, TrialOptions{}); got.Failed != 1 || !strings.Contains(got.Cases[0].Why, "not always have the same answer") {
		t.Errorf("%+v", got)
	}
	g.Output = wasmtest.Item(abi.StatusOK, 0) // the same whatever the chance
	if got := try(t, g, TrialOptions{}); got.Failed != 0 {
		t.Errorf("%+v", got)
	}
}

// The same answer in each of the runs is part of the verdict.
func TestTrialNotesWhatDiffers(t *testing.T) {
	var tr Trial
	tr.note(0, TrialCase{OK: true, Cost: Cost{Time: 5}})
	tr.note(0, TrialCase{OK: true, Cost: Cost{Time: 3}})
	tr.note(0, TrialCase{OK: false, Why: "x", Cost: Cost{Time: 4}})
	tr.note(0, TrialCase{OK: true, Cost: Cost{Time: 9}})
	if c := tr.Cases[0]; c.OK || c.Why != "x" || c.Time != 3 {
		t.Errorf("%+v", c)
	}
}

func TestTrialOfVectors(t *testing.T) {
	vector := func(want string) []byte {
		return []byte(`{"vectors": [{"id": "one", "payload": "00", "records": []}, {"id": "two", "payload": "00", ` + want + `}]}`)
	}
	g := decoderGuest(wasmtest.Item(abi.StatusOK, 0))
	g.Process = wasmtest.Code(works, wasmtest.Local0)
	got := try(t, g, TrialOptions{Vectors: vector(`"records": []`)})
	if got.Passed != 2 || got.Cases[0].Name != "one" || got.Cases[0].Fuel == 0 {
		t.Errorf("%+v", got)
	}
	got = try(t, g, TrialOptions{Vectors: vector(`"errors": ["x"]`)})
	if got.Failed != 1 || got.Cases[1].OK || !strings.Contains(got.Cases[1].Why, "two: 0 errors") {
		t.Errorf("%+v", got)
	}
	g.Process = wasmtest.Code(wasmtest.From(2, wasmtest.Forever), wasmtest.Local0)
	got = try(t, g, TrialOptions{Vectors: vector(`"records": []`)})
	if got.Passed != 1 || !strings.Contains(got.Cases[1].Why, "it used up its fuel") || got.Cases[1].Fuel < decoderFuel {
		t.Errorf("%+v", got)
	}
}

func TestTrialsThatCannotBegin(t *testing.T) {
	strategy, decoder := sender(3), decoderGuest(nil)
	if _, err := Try(t.Context(), handMade(strategy), TrialOptions{}); !errors.Is(err, ErrNoTests) {
		t.Error(err)
	}
	if _, err := Try(t.Context(), handMade(decoder), TrialOptions{}); !errors.Is(err, ErrNoTests) {
		t.Error(err)
	}
	for want, c := range map[string]struct {
		g   *wasmtest.Guest
		opt TrialOptions
	}{
		"it takes events, not vectors":             {strategy, TrialOptions{Vectors: []byte("{}")}},
		"it takes vectors, not events":             {decoder, TrialOptions{Events: []byte("interest\n")}},
		"x:1: fly is no event":                     {strategy, TrialOptions{Events: []byte("fly\n"), Name: "x"}},
		"write link link_block=0 peer_block=8":     {driverWith(8), TrialOptions{Events: []byte("up\n")}},
		"its abi.min is 0.1 and it speaks version": {&wasmtest.Guest{Manifest: map[string]any{"abi": map[string]any{"min": "0.1"}}}, TrialOptions{Events: []byte("interest\n")}},
		"no such setting":                          {strategy, TrialOptions{Events: []byte("config a=1\ninterest\n")}},
		"unknown field":                            {decoder, TrialOptions{Vectors: []byte(`{"vektors": []}`)}},
		"config key a: the plugin has no such":     {decoder, TrialOptions{Vectors: []byte(`{"vectors": [{"id": "a", "payload": "", "records": []}]}`), Config: map[string]any{"a": 1}}},
		"they are for decoders, and this is a str": {&wasmtest.Guest{Manifest: map[string]any{"vectors": map[string]any{}}}, TrialOptions{}},
	} {
		if _, err := Try(t.Context(), handMade(c.g), c.opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

// A plugin that fails the events that it brings never works; one that passes them begins with a fresh instance.
func TestOwnEventsRunAtLoad(t *testing.T) {
	m, _ := manager(t, Options{Interpret: true})
	load(t, m, "good", handMade(with(twoEvents, wasmtest.From(3, wasmtest.Unreachable)))) // a third call in one instance would trap
	if got := strategyOf(t, m, "good", 0).Decide(twoHops(), nil); len(got) != 1 || got[0].Face != 3 {
		t.Errorf("%+v", got)
	}
	for want, g := range map[string]*wasmtest.Guest{
		`it fails its own event at line 6 (retry): it does "send 3", and the event wants "drop"`:                with(strings.Replace(twoEvents, "send 3\n\nretry\nhop face=3\n----\nsend 3", "send 3\n\nretry\nhop face=3\n----\ndrop", 1)),
		`it fails its own event at line 6 (retry): it does "trap", and the event wants "send 3": trap in zmesh`: with(twoEvents, wasmtest.From(2, wasmtest.Unreachable)),
		`its events:1: fly is no event of a strategy`:                                                           with("fly\n\nfly\n"),
	} {
		if err := m.Load(t.Context(), Spec{Name: "bad", Source: handMade(g)}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q in it", err, want)
		}
		if err := m.Swap(t.Context(), "good", handMade(g)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("swap: %v, want %q in it", err, want)
		}
	}
	if len(m.List()) != 1 {
		t.Errorf("%+v", m.List())
	}
}

// What an operator sets does not decide whether a plugin's own tests hold: they run with the defaults.
func TestOwnTestsRunWithTheDefaults(t *testing.T) {
	m, _ := manager(t, Options{Interpret: true})
	refuses := func(kind string) *wasmtest.Guest {
		g := decoderGuest(wasmtest.Item(abi.StatusOK, 0))
		g.Manifest["config"] = map[string]any{"a": map[string]any{"type": "int", kind: map[string]any{"default": 1, "required": true}[kind]}}
		g.Manifest["vectors"] = map[string]any{"vectors": []any{map[string]any{"id": "one", "payload": "00", "records": []any{}}}}
		at := wasmtest.ConfigAt + 16 // the number of the first value
		g.Process = wasmtest.Code(wasmtest.Const(at), []byte{0x28, 2, 0}, wasmtest.Const(1), []byte{0x47, 0x04, 0x40}, wasmtest.Unreachable, []byte{0x0B}, wasmtest.Local0)
		return g
	}
	for kind, want := range map[string]string{"default": "", "required": "it fails its own vector"} {
		err := m.Load(t.Context(), Spec{Name: kind, Source: handMade(refuses(kind)), Config: map[string]any{"a": int64(2)}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := m.Decode(t.Context(), "default", Request{Payload: []byte{0}}); err == nil { // it works with what the operator has set
		t.Error("the operator's setting was lost")
	}
}

// driverWith is a driver with a block for each peer.
func driverWith(peerBlock int) *wasmtest.Guest {
	return &wasmtest.Guest{Manifest: map[string]any{"kind": "driver", "driver": map[string]any{"mtu": 100, "transports": []string{"stream"}, "peer_block": peerBlock}}}
}
