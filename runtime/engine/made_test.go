package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
)

// load loads a guest with a cache and closes it. With nobody to compile it must be in the cache as it was left.
func load(t *testing.T, dir string, c *Compiler) error {
	t.Helper()
	m, err := Load(t.Context(), (&wasmtest.Guest{}).Bytes(), Options{CacheDir: dir, Compiler: c})
	if err != nil {
		return err
	}
	return m.Close()
}

func codeFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	return files[0]
}

// What is in the cache as a compiling process of this program has left it needs no other one; what was damaged, or is of another program
// or processor, does, and is right again afterwards.
func TestWhatIsWholeNeedsNoChild(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what tells processors apart is known on Linux only: elsewhere each start asks a compiling process")
	}
	dir, nobody := filepath.Join(t.TempDir(), "cache"), &Compiler{Command: []string{"no-such-program"}}
	if err := load(t, dir, nobody); err == nil {
		t.Fatal("an empty cache was enough")
	}
	if err := load(t, dir, self()); err != nil {
		t.Fatal(err)
	}
	file := codeFile(t, dir)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(filepath.Dir(filepath.Dir(file)), madeName)
	beside := filepath.Join(filepath.Dir(record), meteredName)
	metered, err := os.ReadFile(beside)
	if err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func() error{
		"a byte is another": func() error {
			return os.WriteFile(file, append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), 0o600)
		},
		"it is shorter":          func() error { return os.Truncate(file, int64(len(good)/2)) },
		"it is empty":            func() error { return os.Truncate(file, 0) },
		"it has gone":            func() error { return os.Remove(file) },
		"another module's code":  func() error { return os.WriteFile(beside, metered[:len(metered)-1], 0o600) },
		"no module":              func() error { return os.Remove(beside) },
		"there is no record":     func() error { return os.Remove(record) },
		"the record is no JSON":  func() error { return os.WriteFile(record, []byte("{"), 0o600) },
		"another processor's":    func() error { return recordCode(filepath.Dir(record), file, "another", metered) },
		"it points out of there": func() error { return os.WriteFile(record, []byte(`{"file":"../x","by":"`+maker()+`"}`), 0o600) },
		"a second file": func() error {
			return os.Rename(file, filepath.Join(filepath.Dir(file), "00"))
		},
	} {
		if err := load(t, dir, nobody); err != nil {
			t.Fatalf("before %q: it is whole, and yet: %v", what, err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if wholeCode(filepath.Dir(record), maker()) != nil {
			t.Errorf("%s: it was taken for whole", what)
		}
		if err := load(t, dir, self()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if now, err := os.ReadFile(codeFile(t, dir)); err != nil || !bytes.Equal(now, good) {
			t.Errorf("%s: afterwards the code has %d bytes and had %d (%v)", what, len(now), len(good), err)
		}
	}
}
