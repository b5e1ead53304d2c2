package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/runtime/plugin"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// A plugin is made and built with nothing but this program and Go.
func TestAuthorsVerbs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mine")
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOMODCACHE", t.TempDir())
	zmesh(t, "", "plugin", "new", "--kind", "decoder", "--lang", "go", dir).good(t, "mine, a decoder in Go")
	zmesh(t, "", "plugin", "new", "--kind", "decoder", dir).bad(t, exitFailed, "there are files in it already")
	zmesh(t, "", "plugin", "build", dir).good(t, filepath.Join(dir, "mine.wasm"))
	zmesh(t, "", "decode", "--plugin", filepath.Join(dir, "mine.wasm"), "--hex", "00d75a").good(t, "temperature", "21.5")

	out := filepath.Join(t.TempDir(), "other.wasm")
	var b built
	if err := json.Unmarshal([]byte(zmesh(t, "", "plugin", "build", "--json", "-o", out, dir).out), &b); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(dir, "mine.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(out)
	if err != nil || string(again) != string(first) || b.File != out || b.Size != len(first) || len(b.Digest) != 64 {
		t.Errorf("%+v, %v: two builds differ", b, err)
	}
	r := zmesh(t, "", "plugin", "test", dir, "--config-json", `{"offset": 1}`) // the only one: under the race detector a Go guest compiles for seconds
	r.bad(t, exitFailed, "3 cases of 4 failed")
	for _, want := range []string{"decoder mine 0.1.0", "ok  ", "cut off", "FAIL", "temperature is 22.5, want 21.5", "1 of 4 passed", "start-up", "natively: go -C"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("printed %q, want %q in it", r.out, want)
		}
	}
	zmesh(t, "", "plugin", "test", dir, "--write").bad(t, exitUsage, "--write writes into a file of events")
	zmesh(t, "", "plugin", "new", "--update", dir).good(t, "zmesh is the SDK of zmesh")
	t.Setenv("PATH", t.TempDir())
	zmesh(t, "", "plugin", "build", dir).bad(t, exitFailed, "no go on the PATH")
}

func TestAuthorsMistakes(t *testing.T) {
	dir := t.TempDir()
	zmesh(t, "", "plugin", "new", dir).bad(t, exitUsage, "--kind strategy|")
	zmesh(t, "", "plugin", "new", "--kind", "decoder").bad(t, exitUsage, "DIR")
	zmesh(t, "", "plugin", "new", "--kind", "magic", filepath.Join(dir, "a")).bad(t, exitUsage, "magic", "strategy, driver, decoder")
	zmesh(t, "", "plugin", "new", "--kind", "decoder", "--lang", "rust", filepath.Join(dir, "a")).bad(t, exitUsage, "rust", "Go only")
	zmesh(t, "", "plugin", "new", "--kind", "decoder", filepath.Join(dir, "My_Plugin")).bad(t, exitUsage, "My_Plugin", "lower case")
	zmesh(t, "", "plugin", "new", "--update", "--kind", "decoder", dir).bad(t, exitUsage, "leave out --kind")
	zmesh(t, "", "plugin", "new", "--update", dir).bad(t, exitFailed, "no SDK")
	zmesh(t, "", "plugin", "build", dir).bad(t, exitFailed, "plugin.toml")
	zmesh(t, "", "plugin", "test", dir).bad(t, exitFailed, "plugin.toml")
	zmesh(t, "", "plugin", "test", "nope.wasm").bad(t, exitFailed, "nope.wasm")
	zmesh(t, "", "plugin", "sign", "mine.wasm").bad(t, exitUsage, "next version")
	if got, _ := os.ReadDir(dir); len(got) > 0 {
		t.Errorf("%v was written", got)
	}
}

// Events are run against a module, and written down. The module is made by hand: nothing is compiled by the Go tool.
func TestTestOfEvents(t *testing.T) {
	dir := t.TempDir()
	g := &wasmtest.Guest{Output: wasmtest.Item(abi.StatusOK, 1, abi.SendTo, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)}
	module := writeFile(t, filepath.Join(dir, "hand.wasm"), string(g.Bytes()))
	zmesh(t, "", "plugin", "test", module).bad(t, exitUsage, "nothing to test it with", "--events FILE")
	zmesh(t, "", "plugin", "test", module, "--write").bad(t, exitUsage, "--events FILE")
	events := writeFile(t, filepath.Join(dir, "events.txt"), "# one\ninterest\nhop face=3\n----\nsend 4\n")
	r := zmesh(t, "", "plugin", "test", module, "--events", events)
	r.bad(t, exitFailed, "1 case of 1 failed")
	for _, want := range []string{"FAIL", events + ":2: interest", "- send 4\n", "+ send 3\n", "0 of 1 passed"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("printed %q, want %q in it", r.out, want)
		}
	}
	zmesh(t, "", "plugin", "test", module, "--events", events, "--write").good(t, "1 event written, 1 of them changed")
	if got, err := os.ReadFile(events); err != nil || string(got) != "# one\ninterest\nhop face=3\n----\nsend 3\n" {
		t.Errorf("%q, %v", got, err)
	}
	var got plugin.Trial
	if err := json.Unmarshal([]byte(zmesh(t, "", "plugin", "test", module, "--events", events, "--json").out), &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Cases[0]; got.Passed != 1 || !c.OK || c.Time == 0 || c.Memory == 0 {
		t.Errorf("%+v", got)
	}
	writeFile(t, events, "interest seq=x\nretry\n")
	zmesh(t, "", "plugin", "test", module, "--events", events).bad(t, exitFailed, events+":1: seq=x")
	g.Major = "9"
	writeFile(t, module, string(g.Bytes()))
	zmesh(t, "", "plugin", "test", module, "--events", events).bad(t, exitFailed, "for version 9 of the contract")
	zmesh(t, "", "plugin", "test", module, "--events", events, "--config-json", "{").bad(t, exitUsage, "--config-json")
}

// A module is read without running any of it; what it says, and what it would get, is all there.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, manifest map[string]any) string {
		return writeFile(t, filepath.Join(dir, name), string((&wasmtest.Guest{Manifest: manifest, Init: wasmtest.Forever}).Bytes()))
	}
	one := write("one.wasm", map[string]any{
		"kind": "driver", "driver": map[string]any{"mtu": 100, "transports": []string{"stream"}, "peer_block": 8, "half_duplex": true, "bit_rate": 9600, "duty_cycle": 0.01},
		"events": "link peer_block=8\nup\n", "state": "mine.1", "fuel": map[string]any{"item": 5, "start": 6, "idle": 7}, "capabilities": []string{"log"},
	})
	two := write("two.wasm", map[string]any{
		"config": map[string]any{"rate": map[string]any{"type": "float", "min": 1, "max": 2, "default": 1.5, "help": "how often"}, "mode": map[string]any{"type": "string", "required": true, "one_of": []string{"a", "b"}}},
		"events": "fly\n\nfly\n",
	})
	zmesh(t, "", "plugin", "inspect", one, two).good(t,
		"driver hand-made", "0 vectors, 1 events", "fuel asked    5 for each item, 6 for start-up, 7 for the idle hook", "capabilities  log", "state         mine.1",
		"stream, mtu 100, blocks of 0 bytes for a link and 8 for a peer, half duplex with 0 ms to turn around, sends at most 0.01 of the time, 9600 bits a second",
		"strategy hand-made", "131072 bytes at start, 0 asked for, 16777216 at most here", "setting       rate (float, default 1.5, at least 1, at most 2): how often",
		"setting       mode (string, required, one of a, b)", "problem       its events:1: fly is no event of a strategy", "zmesh_0.features", "zmesh_process")
	var r plugin.Report
	if err := json.Unmarshal([]byte(zmesh(t, "", "plugin", "inspect", "--json", one).out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Events != 1 || r.FuelAsked.Start != 6 || r.Bounds.Fuel.Item == 0 || r.Bounds.Memory == 0 || r.Driver.PeerBlock != 8 || len(r.Digest) != 64 {
		t.Errorf("%+v", r)
	}
	zmesh(t, "", "plugin", "inspect", "nope.wasm").bad(t, exitFailed, "nope.wasm")
	zmesh(t, "", "plugin", "inspect").bad(t, exitUsage, "inspect FILE")
}
