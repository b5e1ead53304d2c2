package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
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
	zmesh(t, "", "plugin", "new", "--update", dir).good(t, "zmesh is the SDK of zmesh")
	t.Setenv("PATH", t.TempDir())
	zmesh(t, "", "plugin", "build", dir).bad(t, exitFailed, "no go on the PATH")
}

func TestAuthorsMistakes(t *testing.T) {
	dir := t.TempDir()
	zmesh(t, "", "plugin", "new", dir).bad(t, exitUsage, "--kind strategy|")
	zmesh(t, "", "plugin", "new", "--kind", "decoder").bad(t, exitUsage, "DIR")
	zmesh(t, "", "plugin", "new", "--kind", "magic", filepath.Join(dir, "a")).bad(t, exitUsage, "magic", "strategy, ")
	zmesh(t, "", "plugin", "new", "--kind", "decoder", "--lang", "rust", filepath.Join(dir, "a")).bad(t, exitUsage, "rust", "Go only")
	zmesh(t, "", "plugin", "new", "--kind", "decoder", filepath.Join(dir, "My_Plugin")).bad(t, exitUsage, "My_Plugin", "lower case")
	zmesh(t, "", "plugin", "new", "--update", "--kind", "decoder", dir).bad(t, exitUsage, "leave out --kind")
	zmesh(t, "", "plugin", "new", "--update", dir).bad(t, exitFailed, "no SDK")
	zmesh(t, "", "plugin", "build", dir).bad(t, exitFailed, "plugin.toml")
	zmesh(t, "", "plugin", "sign", "mine.wasm").bad(t, exitUsage, "next version")
	if got, _ := os.ReadDir(dir); len(got) > 0 {
		t.Errorf("%v was written", got)
	}
}
