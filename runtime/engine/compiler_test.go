package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
)

// TestMain makes the test binary the program that compiles for itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == CompileVerb {
		os.Exit(CompileChild(os.Args[2:], os.Stdin, os.Stderr))
	}
	os.Exit(m.Run())
}

func self() *Compiler { return &Compiler{Command: []string{os.Args[0], CompileVerb}} }

// slow is a guest whose process takes the compiler long for its size, within the limits of package meter.
func slow(lines int) *wasmtest.Guest {
	return &wasmtest.Guest{Process: wasmtest.Code(wasmtest.Nested(lines), wasmtest.Local0)}
}

func TestCompiledInAChild(t *testing.T) {
	dir, c := filepath.Join(t.TempDir(), "cache"), self()
	opt := Options{CacheDir: dir, Compiler: c}
	for round := range 3 {
		m, err := Load(t.Context(), (&wasmtest.Guest{}).Bytes(), opt)
		if err != nil {
			t.Fatal(err)
		}
		i, err := m.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		i.Close()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("round %d: %v, %v", round, files, err)
		}
		if round == 1 { // code that has gone is made again, by a child
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A module whose manifest alone has changed is not compiled again; one whose code has is.
func TestAnotherManifestIsNoOtherCode(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what tells processors apart is known on Linux only: elsewhere each start asks a compiling process")
	}
	dir := filepath.Join(t.TempDir(), "cache")
	digest := func(g *wasmtest.Guest, c *Compiler) (string, error) {
		m, err := Load(t.Context(), g.Bytes(), Options{CacheDir: dir, Compiler: c})
		if err != nil {
			return "", err
		}
		return m.Digest, m.Close()
	}
	first, err := digest(&wasmtest.Guest{}, self())
	if err != nil {
		t.Fatal(err)
	}
	nobody := &Compiler{Command: []string{"no-such-program"}}
	if second, err := digest(&wasmtest.Guest{Manifest: map[string]any{"version": "1.0.1"}}, nobody); err != nil || second == first {
		t.Errorf("%s after %s, %v", second, first, err)
	}
	if _, err := digest(&wasmtest.Guest{Process: wasmtest.Const(0)}, nobody); err == nil {
		t.Error("other code was in the cache")
	}
	if _, err := digest(&wasmtest.Guest{Manifest: map[string]any{"memory": 1 << 20}}, nobody); err == nil {
		t.Error("code for another memory was in the cache")
	}
}

// What nobody may compile here is not: with a program that does nothing there is no code.
func TestNothingIsCompiledHere(t *testing.T) {
	for _, command := range [][]string{{"no-such-program"}, {os.Args[0], "-test.run=^$"}} {
		m, err := Load(t.Context(), (&wasmtest.Guest{}).Bytes(), Options{CacheDir: t.TempDir() + "/c", Compiler: &Compiler{Command: command}})
		if err == nil {
			t.Errorf("%v: loaded as %v", command, m.Digest)
		}
	}
}

func TestCompilingTakesTooLong(t *testing.T) {
	c := self()
	c.Time = 100 * time.Millisecond
	dir := filepath.Join(t.TempDir(), "cache")
	start := time.Now()
	_, err := Load(t.Context(), slow(790).Bytes(), Options{CacheDir: dir, Compiler: c})
	if !errors.Is(err, ErrCompile) || !strings.Contains(err.Error(), "it took more than 100ms, and was ended") {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, slow(10).Bytes(), Options{CacheDir: dir, Compiler: self()}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestCompilingTakesTooMuchMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the memory of the compiling process is bounded on Linux only")
	}
	c := self()
	c.Memory = 100 << 20 // a Go program begins with some 70; one for the race detector with more
	_, err := Load(t.Context(), slow(790).Bytes(), Options{CacheDir: filepath.Join(t.TempDir(), "cache"), Compiler: c})
	if !errors.Is(err, ErrCompile) {
		t.Fatal(err)
	}
	if !strings.Contains(err.Error(), "it took more than 100 MiB of memory") {
		t.Logf("%v", err)
	}
}

// What the compiler has against a module is told as it was.
func TestChildTellsWhy(t *testing.T) {
	g := &wasmtest.Guest{Process: []byte{0x6A}} // i32.add of nothing: package meter does not look at operands
	_, err := Load(t.Context(), g.Bytes(), Options{CacheDir: filepath.Join(t.TempDir(), "cache"), Compiler: self()})
	if err == nil || !strings.Contains(err.Error(), "compile the module: invalid function") {
		t.Errorf("%v", err)
	}
}

func TestChildWithoutItsArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"x"}, {"x", "y", "z"}, {"x", "1", "-1"}} {
		var b strings.Builder
		if code := CompileChild(args, strings.NewReader(""), &b); code == 0 || b.Len() == 0 {
			t.Errorf("%v: %d, %q", args, code, &b)
		}
	}
}

func TestCacheIsPruned(t *testing.T) {
	dir := t.TempDir()
	for k := range cachedModules + 5 {
		name := filepath.Join(dir, fmt.Sprintf("%03d", k))
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-time.Duration(k) * time.Hour)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	used := filepath.Join(dir, fmt.Sprintf("%03d", cachedModules+4)) // the oldest, which is wanted again
	prune(dir, used)
	list, err := os.ReadDir(dir)
	if _, gone := os.Stat(used); err != nil || gone != nil || len(list) != cachedModules {
		t.Errorf("%d modules, %v, %v", len(list), err, gone)
	}
}

// Where a damaged cache cannot be removed, as on a disk that has become read-only, a module is refused and not compiled for ever.
func TestCacheThatCannotBeRemoved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wazero", "code")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := &Compiler{Command: []string{"false"}}
	dir := filepath.Dir(filepath.Dir(file)) + "/." // os.RemoveAll refuses that
	if err := c.compile(ctx, dir, nil); err == nil || ctx.Err() != nil {
		t.Errorf("%v (%v)", err, ctx.Err())
	}
}
