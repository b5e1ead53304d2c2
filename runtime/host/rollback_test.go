package host_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
)

// A version that fails, put live by a swap, gives way to the one before by itself within a second of the trap that is one too many, and the
// journal tells the story, also after a restart.
func TestFailingVersionReturnsByItself(t *testing.T) {
	w := newWorld(t, nodeText(inMemory, lanFace, remote("up", busyPort(t), ""), route("", "up", 1)))
	load := admin.PluginLoad{Name: "s", From: "one.wasm", Module: good().Bytes()}
	if err := w.host.LoadPlugin(load); err != nil {
		t.Fatal(err)
	}
	if err := w.host.SetStrategy(admin.Strategy{Plugin: "s"}); err != nil {
		t.Fatal(err)
	}
	first := pluginOf(t, w, "s").Digest
	load.From, load.Module = "two.wasm", good(wasmtest.Unreachable).Bytes()
	if err := w.host.SwapPlugin(load); err != nil {
		t.Fatal(err)
	}
	d := w.device()
	deadline := time.Now().Add(20 * time.Second)
	for k := 0; pluginOf(t, w, "s").Digest != first; k++ {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, _ = d.Get(ctx, name.Hash(fmt.Sprint("nobody/has/", k)), 7)
		cancel()
		if time.Now().After(deadline) {
			t.Fatalf("%+v", pluginOf(t, w, "s"))
		}
	}
	var fatal, returned time.Time
	var story []string
	for _, e := range w.host.PluginJournal() {
		story = append(story, e.Who+" "+e.What)
		switch e.What {
		case "trapped":
			fatal = e.Time
		case "returned":
			if returned = e.Time; e.Digest != first || !strings.Contains(e.Why, "5 traps in 1m0s") {
				t.Errorf("%+v", e)
			}
		}
	}
	told := strings.Join(story, ", ")
	if !strings.HasPrefix(told, "operator loaded, operator swapped, node trapped, node replaced") || !strings.HasSuffix(told, "node trapped, node returned") {
		t.Errorf("%s", told)
	}
	if took := returned.Sub(fatal); took < 0 || took > time.Second {
		t.Errorf("it took %s", took)
	}
	if err := w.host.RollbackPlugin(admin.PluginName{Name: "s"}); err == nil {
		t.Error("the version that failed is come back to")
	}
	if err := w.host.UnloadPlugin(admin.PluginName{Name: "s"}); err == nil || !strings.Contains(err.Error(), `is the strategy of ""`) {
		t.Errorf("%v", err)
	}
	if err := w.host.SetStrategy(admin.Strategy{Plugin: "best-route"}); err != nil {
		t.Fatal(err)
	}
	if err := w.host.UnloadPlugin(admin.PluginName{Name: "s"}); err != nil || len(w.host.Plugins()) != 0 {
		t.Errorf("%v, %v", err, w.host.Plugins())
	}
	entries := len(w.host.PluginJournal())
	w.stop()
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.host.PluginJournal()); n != entries {
		t.Errorf("%d entries after a restart, want %d", n, entries)
	}
}

// A journal that cannot be written is told where an operator looks, and the steps are done all the same.
func TestJournalThatCannotBeWritten(t *testing.T) {
	w := newWorld(t, nodeText(inMemory, lanFace))
	file := filepath.Join(filepath.Dir(w.file), "data", "plugins", "journal.jsonl")
	w.stop()
	if err := os.WriteFile(file, bytes.Repeat([]byte("{}\n"), 1<<20/3), 0o600); err != nil { // nearly full
		t.Fatal(err)
	}
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { w.stop() }()
	if j := w.host.Status().PluginJournal; j != (admin.PluginJournal{}) {
		t.Errorf("%+v before anything happened", j)
	}
	if err := os.Mkdir(file+".1", 0o700); err != nil { // so it cannot be moved aside
		t.Fatal(err)
	}
	if err := w.host.LoadPlugin(admin.PluginLoad{Name: "s", From: "one.wasm", Module: good().Bytes()}); err != nil {
		t.Fatal(err)
	}
	if j := w.host.Status().PluginJournal; j.Lost != 1 || !strings.Contains(j.Problem, "journal.jsonl") {
		t.Errorf("%+v", j)
	}
	if err := os.Remove(file + ".1"); err != nil {
		t.Fatal(err)
	}
	if err := w.host.UnloadPlugin(admin.PluginName{Name: "s"}); err != nil {
		t.Fatal(err)
	}
	if j := w.host.Status().PluginJournal; j.Lost != 1 || j.Problem != "" {
		t.Errorf("%+v after it could be written again", j)
	}
	if list := w.host.PluginJournal(); len(list) != 2 {
		t.Errorf("%+v", list)
	}
}
