package build

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
)

const good = `kind = "decoder"
name = "mine"
vendor = "me"
version = "1.0.0"
memory = "1MiB"
capabilities = ["log"]
vectors = "vectors.json"
[abi]
min = "0.1"
[fuel]
item = 1000
[config.rate]
type = "duration"
default = "10s"
min = 1
`

// folder writes a plugin's folder.
func folder(t *testing.T, description, vectors string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{Source: description, "vectors.json": vectors} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestManifest(t *testing.T) {
	m, err := Manifest(folder(t, good, `{"vectors": []}`))
	if err != nil {
		t.Fatal(err)
	}
	rate := m.Config["rate"]
	if m.Name != "mine" || m.Memory != 1<<20 || m.Fuel.Item != 1000 || string(m.Vectors) != `{"vectors":[]}` || rate.Default != "10s" || *rate.Min != 1 || m.Capabilities[0] != "log" {
		t.Errorf("%+v", m)
	}
	code, err := Finish((&wasmtest.Guest{Sections: -1}).Bytes(), m)
	if err != nil {
		t.Fatal(err)
	}
	info, err := engine.Read(code)
	if err != nil || info.Manifest.Name != "mine" || info.Manifest.Config["rate"].Type != "duration" {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := Finish(code, m); err == nil || !strings.Contains(err.Error(), "2 zmesh.manifest sections") {
		t.Errorf("a second manifest: %v", err)
	}
}

func TestMistakes(t *testing.T) {
	for want, change := range map[string][2]string{
		"unknown key vektors":       {"vectors =", "vektors ="},
		`"1GiB": want a number`:     {"1MiB", "1GiB"},
		`kind "magic" is none`:      {`"decoder"`, `"magic"`},
		`type "hours" is none`:      {`"duration"`, `"hours"`},
		`capability "files"`:        {`"log"`, `"files"`},
		"no such file":              {"vectors.json", "none.json"},
		"unknown key config.rate.x": {"type =", "x = 1\ntype ="},
		"plugin.toml":               {"kind", "= kind"},
		`version "1"`:               {"1.0.0", "1"},
	} {
		_, err := Manifest(folder(t, strings.Replace(good, change[0], change[1], 1), `{"vectors": []}`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if _, err := Manifest(folder(t, good, `{"vectors": [{}]}`)); err == nil || !strings.Contains(err.Error(), "expects nothing") {
		t.Errorf("%v", err)
	}
	if _, err := Manifest(t.TempDir()); err == nil {
		t.Error("a folder without plugin.toml")
	}
}

// The same source gives the same bytes, wherever it lies: what is built here is what make has embedded.
func TestBuildIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the Go tool")
	}
	const dir = "../../../plugins/strategies/best-route"
	first, err := Go(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	file, err := To(t.Context(), dir, t.TempDir())
	if err != nil || filepath.Base(file) != "best-route.wasm" {
		t.Fatal(file, err)
	}
	second, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("%d and %d bytes, %v", len(first), len(second), err)
	}
	here, _ := filepath.Abs(".")
	if bytes.Contains(first, []byte(filepath.Dir(here))) {
		t.Error("the path of the source is in the module")
	}
}

func TestBuildSaysWhatFailed(t *testing.T) {
	dir := folder(t, good, `{"vectors": []}`)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\nfunc main() { nothing() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module mine\ngo 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Go(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "undefined: nothing") {
		t.Errorf("%v", err)
	}
	if _, err := To(t.Context(), dir, t.TempDir()); err == nil || !strings.Contains(err.Error(), `not named like the plugin "mine"`) {
		t.Errorf("%v", err)
	}
}
