//go:build !race

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/plugin"
)

// resident is the memory of a node's process that is in RAM, in MiB, program code and mapped files among it.
func (n *running) resident() int {
	n.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		n.t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		n.t.Fatalf("no VmRSS in %s", b)
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		n.t.Fatal(err)
	}
	return kb >> 10
}

// A node with a durable store and one worker takes 30 MiB at most without plugins, and 120 with three of them in Go. Not under the race
// detector, which takes several times as much for itself: make test runs this without. Plugins that are loaded by hand take no more than those of
// the configuration, once what loading them took was given back.
func TestResidentMemory(t *testing.T) {
	names := []string{"adaptive", "slip", "senml"}
	var plugins strings.Builder
	for _, name := range names {
		fmt.Fprintf(&plugins, "[[plugins]]\nname = %q\nbuiltin = %q\n", name, name)
	}
	plugins.WriteString("[[strategies]]\nprefix = \"\"\nplugin = \"adaptive\"\n[[faces]]\nname = \"line\"\ntype = \"driver\"\nplugin = \"slip\"\ntransport = \"tcp\"\nlisten = \"127.0.0.1:0\"\n")
	for _, c := range []struct {
		what, more string
		load       []string
		most       int
	}{{"no plugins", "", nil, 30}, {"three plugins", plugins.String(), nil, 120}, {"three loaded by hand", "", names, 120}} {
		t.Run(c.what, func(t *testing.T) {
			if _, err := plugin.Inspect(plugin.Source{Builtin: "senml"}); err != nil && c.most > 30 && os.Getenv("ZMESH_PLUGINS") == "" {
				t.Skip(err)
			}
			n := &running{t: t, program: program(t), config: writeFile(t, filepath.Join(t.TempDir(), "node.toml"), nodeConfig(freePort(t), c.more))}
			n.start()
			t.Cleanup(func() { n.end(syscall.SIGTERM) })
			n.do("pub", topic, "--text", "21.5", "--confirm").good(t)
			n.do("get", topic).good(t, "21.5")
			for _, name := range c.load {
				n.do("plugin", "load", name, "builtin:"+name).good(t)
			}
			began, had := n.resident(), n.resident()
			for end := time.Now().Add(20 * time.Second); c.load != nil && had > began-5 && time.Now().Before(end); had = n.resident() {
				n.do("status").good(t)
			}
			t.Logf("%s: %d MiB, and %d before some was given back", c.what, had, began)
			if had > c.most {
				t.Errorf("%d MiB are resident, want at most %d", had, c.most)
			}
		})
	}
}
