package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
)

// Plugins of a running node are loaded, swapped, rolled back and unloaded by hand; what cannot be is one plain sentence, and changes nothing. The
// journal tells all of it, with the node and without.
func TestPluginsByHand(t *testing.T) {
	n := newNode(t, "")
	dir := t.TempDir()
	module := func(version string) string {
		settings := map[string]any{"rate": map[string]any{"type": "int", "max": 9}}
		g := &wasmtest.Guest{Manifest: map[string]any{"version": version, "config": settings}, Output: wasmtest.Item(0, 0)}
		return writeFile(t, filepath.Join(dir, version+".wasm"), string(g.Bytes()))
	}
	one, two, text := module("1.0.0"), module("1.0.1"), writeFile(t, filepath.Join(dir, "text.wasm"), "text")
	bad := func(code int, want string, args ...string) {
		t.Helper()
		n.do(append([]string{"plugin"}, args...)...).bad(t, code, want)
	}
	good := func(want string, args ...string) {
		t.Helper()
		n.do(append([]string{"plugin"}, args...)...).good(t, want)
	}
	bad(exitFailed, `"s": there is no plugin of that name`, "rollback", "s")
	bad(exitFailed, `"s": there is no plugin of that name`, "unload", "s")
	bad(exitFailed, `"s": there is no plugin of that name`, "swap", "s", one)
	bad(exitUsage, "missing: zmesh plugin rollback NAME", "rollback")
	bad(exitUsage, "missing: zmesh plugin unload NAME", "unload")
	bad(exitUsage, "", "unload", "s", "t")
	bad(exitUsage, "", "journal", "s", "t")
	bad(exitNothing, `nothing about "s"`, "journal", "s")
	bad(exitFailed, "text.wasm: this is not a WebAssembly module", "load", "s", text)
	bad(exitFailed, "no such file", "load", "s", filepath.Join(dir, "nosuch.wasm"))
	bad(exitFailed, `"nosuch" is not in this binary`, "load", "s", "builtin:nosuch")
	bad(exitUsage, "is no JSON object", "load", "s", one, "--config-json", "rate=3")
	bad(exitFailed, "config key rate: 10 is more than 9", "load", "s", one, "--config-json", `{"rate":10}`)
	good("plugin s is running", "load", "s", one, "--config-json", `{"rate":3}`)
	bad(exitFailed, "there is a plugin of that name already", "load", "s", two)
	bad(exitFailed, "there is no version before this one", "rollback", "s")
	bad(exitFailed, "which runs on as it was: "+text, "swap", "s", text)
	good("1.0.0", "list")
	good("plugin s is now "+two, "swap", "s", two)
	good("1.0.1", "list")
	good("plugin s is the version before again", "rollback", "s")
	good("1.0.0", "list")
	n.do("strategy", "set", "", "s").good(t)
	bad(exitFailed, `plugin "s" is the strategy of ""`, "unload", "s")
	n.do("strategy", "set", "", "best-route").good(t)
	good("plugin s is gone", "unload", "s")
	bad(exitFailed, "there is no plugin of that name", "unload", "s")

	story := func(r result) (what string) {
		t.Helper()
		r.good(t)
		var list []admin.PluginEntry
		if err := json.Unmarshal([]byte(r.out), &list); err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			what += e.What + ","
		}
		return what
	}
	told := story(n.do("plugin", "journal", "s", "--json"))
	if !strings.HasPrefix(told, "refused,refused,refused,loaded,refused,swapped,rolled back,unloaded,") {
		t.Errorf("the journal tells %s", told)
	}
	n.do("plugin", "journal").good(t, "rolled-back", "operator")

	n.end(syscall.SIGTERM)
	r := n.do("plugin", "journal", "s", "--json")
	if got := story(r); got != told || !strings.Contains(r.err, "the node does not run: this is from ") {
		t.Errorf("without the node it tells %s (%s), with it %s", got, r.err, told)
	}
	bad(exitFailed, "no node answers", "list")
	other := writeFile(t, filepath.Join(dir, "node.toml"), nodeConfig(freePort(t), ""))
	zmesh(t, "", "plugin", "journal", "--config", other).bad(t, exitFailed, "no node answers", "journal.jsonl")
	zmesh(t, "", "plugin", "journal", "--admin", "unix:/nowhere/zmesh.sock").bad(t, exitFailed, "no node answers")

	wrong := writeFile(t, other, readFile(t, other)+"[[plugins]]\nname = \"p\"\npath = \"text.wasm\"\n")
	zmesh(t, "", "check", "--config", wrong).bad(t, exitUsage, "node.toml:", `plugin "p": `, "not a WebAssembly module")
	var c checked
	if err := json.Unmarshal([]byte(zmesh(t, "", "check", "--json", "--config", wrong).out), &c); err != nil || c.Good || len(c.Mistakes) != 1 || c.Mistakes[0].Line == 0 {
		t.Errorf("%+v, %v", c, err)
	}
}
