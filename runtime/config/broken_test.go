package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each file of testdata/broken is a folder with mistakes in it, and says in front what Load must say of it, all of it and in order.
func TestBrokenConfigurations(t *testing.T) {
	paths, err := filepath.Glob("testdata/broken/*.txt")
	if err != nil || len(paths) < 24 {
		t.Fatalf("%d broken configurations, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { checkBroken(t, path) })
	}
}

func checkBroken(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := parseArchive(t, string(text))
	dir := folder(t)
	a.write(t, dir)
	c, err := Load(filepath.Join(dir, "node.toml"))
	if err == nil || c != nil {
		t.Fatalf("accepted")
	}
	got := bare(err, dir)
	if *update {
		body := strings.TrimPrefix(string(text), a.comment)
		if err := os.WriteFile(path, []byte(got+"\n"+body), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if strings.TrimSpace(got) != strings.TrimSpace(a.comment) {
		t.Errorf("got\n%s\nwant\n%s", got, a.comment)
	}
	checkForm(t, err)
}

var form = regexp.MustCompile(`^[^:]+\.(toml|hex)(:\d+)?: .+`)

// checkForm demands what a person needs of each mistake: where, what, and nothing that looks like a key.
func checkForm(t *testing.T, err error) {
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSpace(line)
		if !form.MatchString(line) {
			t.Errorf("%q is not file:line: what", line)
		}
		if secretDigits.MatchString(line) {
			t.Errorf("%q shows a key", line)
		}
	}
}
