package scaffold

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/plugin/build"
)

// offline leaves the Go tool nothing but what was written: no network, no modules that were downloaded before.
func offline(t *testing.T) {
	t.Helper()
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOTOOLCHAIN", "local")
}

func newPlugin(t *testing.T, kind string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "my-own")
	if name, err := New(dir, kind, "1.2.3"); err != nil || name != "my-own" {
		t.Fatalf("%q, %v", name, err)
	}
	return dir
}

// What is written passes its tests and vet as it stands, with nothing but the Go tool.
func TestTemplatesPassTheirTests(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the Go tool")
	}
	offline(t)
	for _, kind := range Kinds {
		dir := newPlugin(t, kind)
		cmd := exec.Command("go", "test", "./...")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("ok  \tmy-own")) {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
		left := exec.Command("grep", "-rIl", "my-"+kind, ".")
		left.Dir = dir
		if out, _ := left.Output(); len(out) > 0 {
			t.Errorf("the template's name is left in %s", out)
		}
	}
}

// What is written builds to a module that says what plugin.toml says. A decoder is built by the tests of runtime/cmd/zmesh.
func TestTemplatesBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the Go tool")
	}
	offline(t)
	for kind, event := range map[string]string{"strategy": "config faces=2", "driver": "received hex="} {
		code, err := build.Go(t.Context(), newPlugin(t, kind))
		if err != nil {
			t.Fatal(err)
		}
		info, err := engine.Read(code)
		if err != nil || info.Manifest.Name != "my-own" || info.Manifest.Kind != kind || !strings.Contains(info.Manifest.Events, event) {
			t.Errorf("%+v, %v", info, err)
		}
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(filepath.Join(full, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir, kind string
		want      error
	}{
		{"new", "magic", ErrKind},
		{"My_Plugin", "decoder", ErrName},
		{"1st", "decoder", ErrName},
		{"full", "decoder", ErrNotEmpty},
		{"file", "decoder", os.ErrExist},
	} {
		if _, err := New(filepath.Join(dir, c.dir), c.kind, ""); err == nil || c.want != os.ErrExist && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.dir, err, c.want)
		}
	}
	if got, err := os.ReadDir(dir); err != nil || len(got) != 2 {
		t.Errorf("%v, %v: something was written", got, err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := New(empty, "decoder", ""); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
}

// An update replaces the SDK and nothing else.
func TestUpdate(t *testing.T) {
	dir := newPlugin(t, "decoder")
	before := tree(t, dir)
	mine, old := filepath.Join(dir, "main.go"), filepath.Join(dir, Folder, "sdk", "guest", "gone.go")
	for _, p := range []string{mine, old, filepath.Join(dir, Folder, "sdk", "guest", "doc.go")} {
		if err := os.WriteFile(p, []byte("package main // mine\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Update(dir, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	after := tree(t, dir)
	if after["main.go"] != "package main // mine\n" {
		t.Error("the author's file was touched")
	}
	after["main.go"] = before["main.go"]
	if len(after) != len(before) {
		t.Errorf("%d files, want %d", len(after), len(before))
	}
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s is not what plugin new writes", name)
		}
	}
	if err := Update(t.TempDir(), ""); err == nil || !strings.Contains(err.Error(), "there is no SDK in it") {
		t.Error(err)
	}
}

// tree reads all files of a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		m[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The SDK goes out with its licence, and without what only its own tests need.
func TestWhatIsWritten(t *testing.T) {
	licence, err := os.ReadFile("../../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	got := tree(t, newPlugin(t, "decoder"))
	if got[Folder+"/sdk/LICENSE"] != string(licence) {
		t.Error("sdk/LICENSE is not the repository's LICENSE")
	}
	for _, name := range []string{"go.mod", ".gitignore", "plugin.toml", "README.md", "main.go", "main_test.go", "testdata/vectors.json", Folder + "/sdk/guest/abi/abi.go"} {
		if got[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	for name := range got {
		if strings.HasPrefix(name, Folder) && (strings.HasSuffix(name, "_test.go") || slices.Contains(strings.Split(name, "/"), "template")) {
			t.Errorf("%s is written", name)
		}
	}
}
