package config

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is said of testdata/broken into its files, to be read before it is committed")

// archive is a folder in one text: `-- name mode --` begins each file, and what stands before the first is the comment.
type archive struct {
	comment string
	files   []member
}

type member struct {
	name, text string
	mode       fs.FileMode
}

// parseArchive reads a folder from its text. A file without a mode has 0600.
func parseArchive(t testing.TB, text string) (a archive) {
	t.Helper()
	for line := range strings.Lines(text) {
		inner, marker := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		switch {
		case marker && strings.HasSuffix(inner, " --"):
			a.files = append(a.files, parseMarker(t, strings.TrimSuffix(inner, " --")))
		case len(a.files) == 0:
			a.comment += line
		default:
			a.files[len(a.files)-1].text += line
		}
	}
	return a
}

func parseMarker(t testing.TB, marker string) member {
	t.Helper()
	name, mode, _ := strings.Cut(marker, " ")
	m := member{name: name, mode: 0o600}
	if mode != "" {
		bits, err := strconv.ParseUint(mode, 8, 9)
		if err != nil {
			t.Fatal(err)
		}
		m.mode = fs.FileMode(bits)
	}
	return m
}

// write puts the files into a folder.
func (a archive) write(t testing.TB, dir string) {
	t.Helper()
	for _, m := range a.files {
		put(t, filepath.Join(dir, m.name), m.text, m.mode)
	}
}

func put(t testing.TB, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// head is the least that a configuration needs; lines of what follows it begin at 6.
const head = `[node]
name = "gw"
[[network_keys]]
id = 0
key = "2b7e151628aed2a6abf7158809cf4f3c"
use = true
`

const hierarchical = `[node]
name = "gw"
naming = "hierarchical"
[[network_keys]]
id = 0
key = "2b7e151628aed2a6abf7158809cf4f3c"
use = true
`

// folder makes one with a short path: that of the admin socket is bounded.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "z")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// loadText loads a configuration that needs no other file.
func loadText(t testing.TB, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(folder(t), "node.toml")
	put(t, path, text, 0o600)
	return Load(path)
}

// mustLoad fails the test if there is a mistake.
func mustLoad(t testing.TB, text string) *Config {
	t.Helper()
	c, err := loadText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refuse demands one mistake that holds want.
func refuse(t *testing.T, text, want string) {
	t.Helper()
	_, err := loadText(t, text)
	list, ok := err.(Mistakes)
	if !ok || len(list) != 1 || !strings.Contains(list[0].What, want) {
		t.Errorf("%s\ngave %v\nwant one mistake with %q", text, err, want)
	}
}

// copyTree copies a folder; files that hold keys become 0600.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		put(t, filepath.Join(to, rel), string(b), 0o600)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func bare(err error, dir string) string {
	return strings.ReplaceAll(fmt.Sprintln(err), dir+string(filepath.Separator), "")
}
