package plugin

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// cache keeps what was compiled from one test to the next: a Go guest takes seconds under the race detector.
var cache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "zmesh-plugin-test-")
	if err != nil {
		panic(err)
	}
	cache = filepath.Join(dir, "cache")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// builtin gives a plugin that ships. Run by make they must be there; a bare `go test` on a fresh clone skips.
func builtin(t testing.TB, name string) Source {
	t.Helper()
	src := Source{Builtin: name}
	if _, err := src.read(); errors.Is(err, ErrBuiltin) {
		if os.Getenv("ZMESH_PLUGINS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return src
}

// manager makes one that the test closes, and a channel of its journal.
func manager(t testing.TB, opt Options) (*Manager, <-chan Entry) {
	t.Helper()
	entries := make(chan Entry, 10000)
	opt.Journal = func(e Entry) { entries <- e }
	if opt.CacheDir == "" {
		opt.CacheDir = cache
	}
	m, err := NewManager(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, entries
}

// settle does what the Manager would do in its own time, such as making a spare, so that it is not at it while something is measured.
func settle(m *Manager) {
	for _, p := range m.all() {
		m.tend(p)
	}
}

// load loads a module under a name.
func load(t testing.TB, m *Manager, name string, src Source) {
	t.Helper()
	if err := m.Load(t.Context(), Spec{Name: name, Source: src}); err != nil {
		t.Fatal(err)
	}
}

// strategyOf gives a worker's strategy.
func strategyOf(t testing.TB, m *Manager, name string, worker int) forward.Strategy {
	t.Helper()
	s, err := m.Strategy(name, worker)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// await reads the journal up to an entry.
func await(t testing.TB, entries <-chan Entry, what string) Entry {
	t.Helper()
	late := time.After(30 * time.Second)
	for seen := []string{}; ; {
		select {
		case e := <-entries:
			if e.What == what {
				return e
			}
			seen = append(seen, e.What)
		case <-late:
			t.Fatalf("no %q in the journal, only %v", what, seen)
		}
	}
}

// sender is a hand-made strategy that sends everything to one face.
func sender(face byte) *wasmtest.Guest {
	return &wasmtest.Guest{Output: wasmtest.Item(abi.StatusOK, 1, abi.SendTo, 0, 0, 0, face, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)}
}

// handMade makes a source of a guest.
func handMade(g *wasmtest.Guest) Source { return Source{Bytes: g.Bytes()} }

// twoHops is an event that best-route answers with face 2.
func twoHops() *forward.Event {
	return &forward.Event{Seq: 7, InFace: 1, TTL: 5, Hops: []forward.NextHop{{Face: 2, Cost: 1}, {Face: 3, Cost: 9}}}
}

// busy is an event with all that a strategy can be shown: eight next hops, measured, of which the last is free, and both blocks.
func busy() *forward.Event {
	ev := &forward.Event{InFace: 1, Now: time.Hour, Route: &forward.RouteScratch{}, Pending: &forward.PendingScratch{}}
	for f := range forward.FaceID(forward.MaxHops) {
		ev.Hops = append(ev.Hops, forward.NextHop{
			Face: f + 2, Cost: uint16(f), State: forward.HopTried | forward.HopMeasured,
			Measure: forward.Measure{RTT: 20_000 + 1000*uint32(f), Var: 1000, Loss: 300, Queue: forward.QueueUnknown},
		})
	}
	ev.Hops[7].State = forward.HopMeasured
	return ev
}

// decoderGuest is a hand-made decoder with a fixed answer.
func decoderGuest(output []byte) *wasmtest.Guest {
	return &wasmtest.Guest{Manifest: map[string]any{"kind": "decoder"}, Output: output}
}
