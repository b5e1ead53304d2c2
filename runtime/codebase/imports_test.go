package codebase

import (
	"strings"
	"testing"
)

// rule says what the files under a folder may import besides their own folder: the table of the house. The longest
// folder that fits counts. A path ending in / stands for everything below it.
type rule struct {
	folder string
	std    bool
	may    []string
}

var rules = []rule{
	{"core", true, []string{"github.com/cockroachdb/pebble/v2"}},
	{"faces", true, []string{module + "core/", "golang.org/x/net/", "golang.org/x/sys/"}},
	{"faces/websocket", true, []string{module + "core/", module + "faces/", "golang.org/x/net/", "golang.org/x/sys/", "github.com/coder/websocket"}},
	{"faces/driver", true, []string{module + "core/", "golang.org/x/sys/", "go.bug.st/serial"}},
	{"faces/serial", true, []string{module + "core/", module + "faces/", "golang.org/x/sys/", "go.bug.st/serial"}},
	{"sdk", true, nil},
	{"sdk/node", true, []string{module + "sdk/", module + "core/wire", module + "core/name", "golang.org/x/crypto/"}},
	{"plugins", true, []string{module + "sdk/"}},
}

// free folders: runtime puts everything together and may import all but plugins' source; examples have no rule.
var free = []string{"runtime", "examples"}

// testing libraries: their own field's, for test files anywhere.
var testLibraries = []string{"pgregory.net/rapid", "github.com/cockroachdb/datadriven", "go.uber.org/goleak"}

func TestWhoMayImportWhom(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports() {
			if why := refuse(s, imported); why != "" {
				t.Errorf("%s imports %s: %s", s.path, imported, why)
			}
		}
	}
}

// refuse says why a file may not have an import; empty if it may.
func refuse(s *source, imported string) string {
	own, ours := strings.CutPrefix(imported, module)
	switch {
	case imported == "C":
		return "there is no cgo in this product"
	case ours && (roomOf(own) == "plugins" || roomOf(own) == "examples") && roomOf(own) != s.room():
		return "nothing imports " + roomOf(own) + "; what ships of it is built and embedded"
	case s.test && within(imported, testLibraries):
		return ""
	}
	for _, room := range free {
		if s.room() == room {
			return ""
		}
	}
	r, ok := ruleOf(s.path)
	switch {
	case !ok:
		return "the folder has no rule: add one to the table"
	case ours && strings.HasPrefix(own, r.folder+"/"), !ours && r.std && isStd(imported), within(imported, r.may):
		return ""
	}
	return "not in the table of the house for " + r.folder
}

func ruleOf(p string) (best rule, ok bool) {
	for _, r := range rules {
		if strings.HasPrefix(p, r.folder+"/") && len(r.folder) > len(best.folder) {
			best, ok = r, true
		}
	}
	return best, ok
}

// within tells whether a path is one of the list or below an entry of it.
func within(p string, list []string) bool {
	for _, l := range list {
		if p == strings.TrimSuffix(l, "/") || strings.HasPrefix(p, strings.TrimSuffix(l, "/")+"/") {
			return true
		}
	}
	return false
}

// isStd tells a package of the standard library: its first element has no dot.
func isStd(p string) bool { return !strings.Contains(roomOf(p), ".") }

// The rules themselves, on imports that the table of the house allows and forbids.
func TestTheRulesSayWhatTheTableSays(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		allowed        bool
	}{
		{"core/wire/frame.go", "fmt", true},
		{"core/wire/frame.go", module + "core/name", true},
		{"core/store/log.go", "github.com/cockroachdb/pebble/v2/vfs", true},
		{"core/store/log.go", "github.com/cockroachdb/errors", false},
		{"core/store/log.go", module + "runtime/config", false},
		{"core/store/log.go", module + "faces/udp", false},
		{"core/store/log.go", "github.com/tetratelabs/wazero", false},
		{"core/store/log.go", "pgregory.net/rapid", false},
		{"core/store/log_test.go", "pgregory.net/rapid", true},
		{"faces/udp/udp.go", "golang.org/x/net/ipv4", true},
		{"faces/udp/udp.go", module + "core/wire", true},
		{"faces/udp/udp.go", module + "runtime/host", false},
		{"faces/driver/serial.go", "go.bug.st/serial", true},
		{"faces/driver/codec.go", module + "runtime/plugin", false},
		{"faces/udp/udp.go", "github.com/coder/websocket", false},
		{"faces/websocket/face.go", "github.com/coder/websocket", true},
		{"sdk/guest/guest.go", "unsafe", true},
		{"sdk/guest/guest.go", module + "core/wire", false},
		{"sdk/node/node.go", module + "core/wire", true},
		{"sdk/node/node.go", module + "core/table", false},
		{"sdk/node/node.go", "golang.org/x/crypto/chacha20poly1305", true},
		{"plugins/adaptive/main.go", module + "sdk/guest", true},
		{"plugins/adaptive/main.go", module + "core/wire", false},
		{"runtime/host/host.go", module + "plugins/adaptive", false},
		{"runtime/host/host.go", "github.com/tetratelabs/wazero", true},
		{"runtime/host/host.go", "C", false},
	} {
		s := &source{path: c.file, test: strings.HasSuffix(c.file, "_test.go")}
		if why := refuse(s, c.imported); (why == "") != c.allowed {
			t.Errorf("%s imports %s: %q", c.file, c.imported, why)
		}
	}
}
