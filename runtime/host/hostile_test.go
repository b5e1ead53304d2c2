package host_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/node"
)

// hostile is a module that does what it should not.
type hostile struct {
	name   string
	module []byte
	grant  []string
	want   string // what the operator is told when it is loaded; empty: it loads, and what it does ends in a trap that says trap
	trap   string
}

// good is a strategy that sends to all; its first event is the host's trial, whose FSEQ is 1, and what is bad happens after it.
func good(bad ...[]byte) *wasmtest.Guest {
	g := &wasmtest.Guest{Output: wasmtest.Item(abi.StatusOK, 1, abi.SendAll, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)}
	if bad != nil {
		later := wasmtest.Code(wasmtest.Const(wasmtest.InputAt+abi.EventSeq), []byte{0x28, 2, 0}, wasmtest.Const(1), []byte{0x4B, 0x04, 0x40}, wasmtest.Code(bad...), []byte{0x0B})
		g.Process = wasmtest.Code(later, wasmtest.Local0)
	}
	return g
}

func with(g *wasmtest.Guest, change func(*wasmtest.Guest)) []byte {
	change(g)
	return g.Bytes()
}

const (
	fuelTrap = "it used up its fuel"
	process  = "trap in zmesh_process"
)

// hostiles are the shapes of modules that a node must stay whole with.
func hostiles() []hostile {
	self := wasmtest.Call(3) // zmesh_process: the imports are features, then init, configure, process
	logs := wasmtest.Import{Module: abi.ImportModule, Name: abi.ImportLog, Params: []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}}
	line := wasmtest.Code(wasmtest.Const(1), wasmtest.Const(wasmtest.MessageAt), wasmtest.Const(60), wasmtest.Call(1))
	fill := wasmtest.Code(wasmtest.Const(0), wasmtest.Const(7), wasmtest.Const(16<<20-65536), []byte{0xFC, 11, 0})
	altered := good().Bytes()
	altered = altered[:len(altered)-200]
	manifest := func(key string, value any) func(*wasmtest.Guest) {
		return func(g *wasmtest.Guest) { g.Manifest = map[string]any{key: value} }
	}
	vector := map[string]any{"vectors": []any{map[string]any{"id": "one", "payload": "00", "records": []any{map[string]any{"name": "x", "value": 1.5}}}}}
	return []hostile{
		{name: "endless loop", module: good(wasmtest.Forever).Bytes(), trap: fuelTrap},
		{name: "nested loops", module: good(wasmtest.Repeat(1<<30, wasmtest.Repeat(1<<30, nil))).Bytes(), trap: fuelTrap},
		{name: "loop-free exponential recursion", module: good(wasmtest.Const(0), self, wasmtest.Drop, wasmtest.Const(0), self, wasmtest.Drop).Bytes(), trap: process},
		{name: "deep recursion", module: good(wasmtest.Const(1), self, wasmtest.Drop).Bytes(), trap: process},
		{name: "memory bomb", module: good(wasmtest.Repeat(1<<30, wasmtest.Grow(1))).Bytes(), trap: fuelTrap},
		{name: "giant memory.fill", module: good(wasmtest.Grow(254), wasmtest.Repeat(1<<20, fill)).Bytes(), trap: process},
		{name: "arena outside memory", module: with(good(), func(g *wasmtest.Guest) { g.Region = map[int][2]uint32{abi.ArenaOutput: {1 << 30, 4096}} }), want: "the output region (4096 bytes at 1073741824) reaches beyond the memory"},
		{name: "description outside memory", module: with(good(), func(g *wasmtest.Guest) { g.Description = 1 << 30 }), want: "its description at 1073741824 is not in the memory"},
		{name: "moving arena", module: good(wasmtest.Write(wasmtest.DescriptionAt+abi.ArenaOutput, 0, 0, 0, 0x40), wasmtest.Write(wasmtest.OutputAt, 0xFF, 0xFF, 0xFF, 0xFF)).Bytes(), trap: "its output is damaged"},
		{name: "trap on the nth call", module: with(good(), func(g *wasmtest.Guest) {
			g.Process = wasmtest.Code(wasmtest.From(4, wasmtest.Unreachable), wasmtest.Local0)
		}), trap: "unreachable"},
		{name: "endless init", module: with(good(), func(g *wasmtest.Guest) {
			g.Init = wasmtest.Code(wasmtest.Forever, wasmtest.Const(wasmtest.DescriptionAt))
		}), want: "trap in zmesh_init: " + fuelTrap},
		{name: "endless configuration", module: with(good(), func(g *wasmtest.Guest) { g.Configure = wasmtest.Code(wasmtest.Forever, wasmtest.Const(0)) }), want: "trap in zmesh_configure: " + fuelTrap},
		{name: "start function that loops", module: with(good(), func(g *wasmtest.Guest) { g.Start = wasmtest.Forever }), want: "trap in the start function"},
		{name: "flood of host calls", module: good(wasmtest.Repeat(1<<30, wasmtest.Call(0), wasmtest.Drop)).Bytes(), trap: fuelTrap},
		{name: "flood of log lines", module: with(good(), func(g *wasmtest.Guest) {
			g.Imports = []wasmtest.Import{logs}
			g.Process = wasmtest.Code(wasmtest.Repeat(1<<30, line), wasmtest.Local0)
		}), grant: []string{"log"}, want: "fails the first event: trap in zmesh_process"},
		{name: "absurd number of commands", module: good(wasmtest.Write(wasmtest.OutputAt+abi.OutCount, 0xFF, 0xFF)).Bytes(), trap: "more for one item than it may have"},
		{name: "absurd size of the output", module: good(wasmtest.Write(wasmtest.OutputAt, 0xF8, 0xFF, 0xFF, 0xFF)).Bytes(), trap: "its output is damaged"},
		{name: "a command that there is not", module: good(wasmtest.Write(wasmtest.OutputAt+abi.OutHead, 0xEE)).Bytes(), trap: "a command that cannot be"},
		{name: "commands for faces that do not exist", module: good(wasmtest.Write(wasmtest.OutputAt+abi.OutHead, abi.SendTo, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F)).Bytes()},
		{name: "corrupted manifest", module: with(good(), func(g *wasmtest.Guest) { g.RawSection = []byte("{\"kind\":\xFF") }), want: "manifest cannot be read"},
		{name: "wrong ABI version", module: with(good(), func(g *wasmtest.Guest) { g.Major = "9" }), want: "for version 9 of the contract"},
		{name: "capability not granted", module: with(good(), manifest("capabilities", []string{"state"})), want: `asks for the capability "state", which is not granted`},
		{name: "altered file", module: altered, want: "cut off or damaged"},
		{name: "no module at all", module: []byte("#!/bin/sh\n"), want: "not a WebAssembly module"},
		{name: "decoder that fails its vectors", module: with(good(), func(g *wasmtest.Guest) {
			g.Manifest, g.Output = map[string]any{"kind": "decoder", "vectors": vector}, wasmtest.Item(abi.StatusOK, 0)
		}), want: "it is a decoder, and"},
		{name: "idle hook without end", module: with(good(), func(g *wasmtest.Guest) { g.Idle = wasmtest.Forever }), trap: "trap in zmesh_idle: "},
		{name: "compile bomb: nested loops", module: good(wasmtest.Nested(700)).Bytes()},
		{name: "compile bomb: too many branches", module: good(wasmtest.Nested(5000)).Bytes(), want: "blocks, branches, loops"},
		{name: "compile bomb: a body too large", module: good(slices.Repeat([]byte{0x41, 0, 0x1A}, 200_000)).Bytes(), want: "bytes"},
		{name: "data beyond the limit", module: with(good(), func(g *wasmtest.Guest) { g.Message = strings.Repeat("x", 9<<20) }), want: "data"},
		{name: "more memory than allowed", module: with(good(), func(g *wasmtest.Guest) { g.MinPages = 4096 }), want: "KiB of memory and may have"},
	}
}

// traffic sends a stream through a node and asks what nobody has, and keeps how long each answer took.
type traffic struct {
	took []time.Duration
	lost atomic.Int64
	stop context.CancelFunc
	done chan struct{}
}

func startTraffic(t *testing.T, w *world) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	tr := &traffic{stop: cancel, done: make(chan struct{})}
	d := w.device()
	s, err := node.NewStream(name.Hash("hostile/stream"), node.None, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(tr.done)
		for seq := uint32(1); ctx.Err() == nil && seq <= 100_000; seq++ { // what a face may leave in the store ends some way beyond (P-22)
			begin := time.Now()
			if err := d.Publish(s, seq, fmt.Appendf(nil, "content %d", seq)); err != nil {
				t.Error(err)
				return
			}
			wait, end := context.WithTimeout(context.Background(), 10*time.Second)
			c, err := d.Get(wait, name.Hash("hostile/stream"), wire.SeqNewest)
			for err == nil && c.Seq < seq { // an answer to a question that was repeated in a long pause
				c, err = d.Get(wait, name.Hash("hostile/stream"), wire.SeqNewest)
			}
			end()
			if err != nil || c.Seq != seq || string(c.Payload) != fmt.Sprintf("content %d", seq) {
				tr.lost.Add(1)
				t.Errorf("content %d: %v, %v; drops %v, not kept %v", seq, c, err, w.host.Status().Drops, w.host.Store().NotKept)
				return
			}
			tr.took = append(tr.took, time.Since(begin))
		}
	}()
	return tr
}

// TestHostileModules loads and swaps each of them into a running node, with a stream through it: each is told of or trapped in a plain
// sentence, the stream loses nothing, and what it waits stays short.
func TestHostileModules(t *testing.T) {
	list := hostiles()
	if len(list) < 24 {
		t.Fatalf("%d hostile modules", len(list))
	}
	w := newWorld(t, nodeText(inMemory, "max_rate_per_name = \"unlimited\"\nmax_size = \"64GiB\"\n", lanFace+"share = 1.0\n", remote("up", busyPort(t), ""), route("", "up", 1)))
	if err := w.host.LoadPlugin(admin.PluginLoad{Name: "s", From: "good.wasm", Module: good().Bytes()}); err != nil {
		t.Fatal(err)
	}
	if err := w.host.LoadPlugin(admin.PluginLoad{Name: "logs", From: "good.wasm", Grant: []string{"log"}, Module: good().Bytes()}); err != nil {
		t.Fatal(err)
	}
	tr, asker := startTraffic(t, w), w.device()
	for _, h := range list {
		t.Run(h.name, func(t *testing.T) { meet(t, w, asker, h) })
	}
	tr.stop()
	<-tr.done
	slices.Sort(tr.took)
	n := len(tr.took)
	if n == 0 {
		t.Fatal("no stream")
	}
	p999, worst := tr.took[n*999/1000], tr.took[n-1]
	t.Logf("%d round trips of the stream: p50 %s, p99.9 %s, longest %s", n, tr.took[n/2], p999, worst)
	if tr.lost.Load() > 0 || n < 100 {
		t.Errorf("%d of %d lost", tr.lost.Load(), n)
	}
	if os.Getenv("ZMESH_TIMING") != "" && p999 > 50*time.Millisecond { // on a machine that does nothing else
		t.Errorf("p99.9 is %s", p999)
	}
}

// meet swaps one module in, lets it work, and takes it out again.
func meet(t *testing.T, w *world, asker *node.Node, h hostile) {
	plugin := "s"
	if h.grant != nil {
		plugin = "logs"
	}
	if err := w.host.SetStrategy(admin.Strategy{Prefix: "", Plugin: plugin}); err != nil {
		t.Fatal(err)
	}
	before := pluginOf(t, w, plugin)
	err := w.host.SwapPlugin(admin.PluginLoad{Name: plugin, From: h.name, Module: h.module})
	if h.want != "" {
		if err == nil || !strings.Contains(err.Error(), h.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "goroutine ") {
			t.Fatalf("%v, want %q in it", err, h.want)
		}
		if now := pluginOf(t, w, plugin); now.Digest != before.Digest || now.State != "running" {
			t.Errorf("%+v: the version before runs on", now)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for k := 0; ; k++ { // what nobody has goes to the strategy
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, _ = asker.Get(ctx, name.Hash(fmt.Sprint("nobody/has/", h.name, k)), uint32(k+2))
		cancel()
		now := pluginOf(t, w, plugin)
		if h.trap == "" && now.Calls > before.Calls+3 {
			break
		}
		if h.trap != "" && now.LastTrap != nil && now.LastTrap.Digest == now.Digest {
			if !strings.Contains(now.LastTrap.Why, h.trap) {
				t.Errorf("%q, want %q in it", now.LastTrap.Why, h.trap)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing happened: %+v", now)
		}
		runtime.Gosched()
	}
	if err := w.host.SwapPlugin(admin.PluginLoad{Name: plugin, From: "good.wasm", Module: good().Bytes()}); err != nil {
		t.Fatal(err)
	}
}

func pluginOf(t *testing.T, w *world, name string) admin.Plugin {
	t.Helper()
	for _, p := range w.host.Plugins() {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no plugin %q", name)
	return admin.Plugin{}
}
