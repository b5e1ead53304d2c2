package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
)

// Compiler compiles modules in processes of their own, one at a time, so that what a module makes the compiler do does not happen to
// this process. The machine code comes back through the cache on disk.
//
// How far the limits hold: the time everywhere, as the process is killed; the processor time and the memory on Linux, by
// RLIMIT_CPU and RLIMIT_DATA; on other systems the memory is only what the child's garbage collector aims at.
type Compiler struct {
	// Command is the program and its arguments that end in [CompileChild]: this program itself, as a rule. The rest of the
	// arguments are added.
	Command []string

	// Time that one module may take. 0: 30 s; a Go guest takes about one.
	Time time.Duration

	// Memory that the process may have, in bytes. 0: 512 MiB; a Go guest needs less than 150.
	Memory uint64

	mu sync.Mutex // one child at a time
}

const (
	compileTime   = 30 * time.Second * slowness
	compileMemory = 512 << 20
	cachedModules = 32 // that are kept; a Go guest's code has some 8 MB
)

func runtimeConfig(interpret bool) wazero.RuntimeConfig {
	cfg := wazero.NewRuntimeConfig()
	if interpret {
		cfg = wazero.NewRuntimeConfigInterpreter()
	}
	return cfg.WithCoreFeatures(coreFeatures).WithDebugInfoEnabled(false)
}

// cached meters a module and makes sure that the folder it gives has the machine code of that, as far as a Compiler is there to do so. What is
// whole in there is not metered once more.
func (o *Options) cached(ctx context.Context, code []byte, m *Manifest) (dir string, metered []byte, err error) {
	if err := ownFolder(o.CacheDir); err != nil {
		return "", nil, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %t\n", o.pages(m), o.initial(), o.Unmetered)
	writeCode(h, code)
	dir = filepath.Join(o.CacheDir, hex.EncodeToString(h.Sum(nil)[:16]))
	if o.Compiler != nil && maker() != "" {
		metered = wholeCode(dir, maker())
	}
	if metered == nil {
		if metered, err = o.meter(code, m); err != nil {
			return "", nil, err
		}
		if o.Compiler != nil {
			if err := o.Compiler.compile(ctx, dir, metered); err != nil {
				return "", nil, err
			}
		}
	}
	prune(o.CacheDir, dir)
	return dir, metered, nil
}

// writeCode writes what of a module decides its machine code: all but the custom sections, so that one whose manifest alone has changed is not
// compiled again. parse has read the sections.
func writeCode(w io.Writer, code []byte) {
	for r := (reader{buf: code, pos: 8}); r.pos < len(code); {
		at, id := r.pos, r.byte()
		if r.bytes(r.u32()); r.bad {
			return
		}
		if id != sectionCustom {
			_, _ = w.Write(code[at:r.pos]) // a hash takes it
		}
	}
}

// codeIn lists the files with machine code in a module's folder: wazero has a folder in it for each of its versions.
func codeIn(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*")) // an error is only about the pattern
	return files
}

// ownFolder makes the folder of the cache, or sees to it that nobody else could have put code there.
func ownFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("compile cache: %w", err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("compile cache: %w", err)
	}
	if st.Mode().Perm()&0o022 != 0 && filepath.Separator == '/' {
		return fmt.Errorf("compile cache %s: mode %s lets others put machine code there: set it to %s", dir, st.Mode().Perm(), fs.FileMode(0o700))
	}
	return nil
}

// prune removes the modules that have not been used for longest. That it could not is no reason to stop.
func prune(cache, used string) {
	now := time.Now()
	_ = os.Chtimes(used, now, now)
	list, err := os.ReadDir(cache)
	if err != nil || len(list) <= cachedModules {
		return
	}
	age := map[string]time.Time{}
	for _, e := range list {
		if info, err := e.Info(); err == nil {
			age[e.Name()] = info.ModTime()
		}
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return age[b.Name()].Compare(age[a.Name()]) })
	for _, e := range list[cachedModules:] {
		_ = os.RemoveAll(filepath.Join(cache, e.Name()))
	}
}

// compile has a child make the code of a metered module, or find that what is there is for it, and notes that.
func (c *Compiler) compile(ctx context.Context, dir string, code []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for again := false; ; again = true {
		before := codeIn(dir)
		if err := c.run(ctx, dir, code); err != nil && len(before) > 0 && ctx.Err() == nil && !again {
			continue // what was there is damaged, and has gone now, unless it cannot be removed
		} else if err != nil {
			return fmt.Errorf("compile the module: %w", err)
		}
		files := codeIn(dir)
		switch len(files) {
		case 0:
			return fmt.Errorf("compile the module: its code is not in the cache %s", dir)
		case 1: // the child has made it, or used it: what is not for it, it does not use
			return recordCode(dir, files[0], maker(), code)
		}
		if err := os.RemoveAll(dir); err != nil { // others' besides, such as another processor's
			return fmt.Errorf("compile cache: %w", err)
		}
	}
}

// CompileVerb is the argument that a program with a Compiler of itself looks for before anything else: what follows is for
// [CompileChild].
const CompileVerb = "compile-module"

func (c *Compiler) run(ctx context.Context, dir string, code []byte) error {
	limit, memory := cmp.Or(c.Time, compileTime), cmp.Or(c.Memory, compileMemory)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	args := slices.Concat(c.Command[1:], []string{dir, strconv.Itoa(int(limit/time.Second) + 1), strconv.FormatUint(memory, 10)})
	cmd := exec.CommandContext(ctx, c.Command[0], args...)
	// Of the environment the child needs nothing, and one processor less than there are is left to the node.
	cmd.Env = []string{"GOMAXPROCS=1", "GOMEMLIMIT=" + strconv.FormatUint(memory/4*3, 10), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
	cmd.Stdin = bytes.NewReader(code)
	said := &tail{}
	cmd.Stderr = said
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if err == nil {
		return nil
	}
	_ = os.RemoveAll(dir)
	var exited *exec.ExitError
	switch {
	case context.Cause(ctx) == errSlow || errors.As(err, &exited) && outOfTime(exited.ProcessState, limit):
		return fmt.Errorf("%w: it took more than %s, and was ended", ErrCompile, limit)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.As(err, &exited):
		return fmt.Errorf("start %s for it: %w", c.Command[0], err)
	case exited.ExitCode() == childFailed:
		return errors.New(clean(said.b))
	case said.tells("out of memory", "cannot allocate memory"):
		return fmt.Errorf("%w: it took more than %d MiB of memory, and was ended", ErrCompile, memory>>20)
	}
	return fmt.Errorf("%w: the compiling process ended with %s (%s)", ErrCompile, exited, clean(said.b))
}

// ErrCompile says that compiling a module took more than it may.
var ErrCompile = errors.New("the module is too much for the compiler")

var errSlow = errors.New("too slow")

// tail keeps the first of what a child says.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b[:min(len(b), maxSaid-len(t.b))]...)
	return len(b), nil
}

func (t *tail) tells(texts ...string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(string(t.b), s) })
}

// childFailed is the exit code of a child that says on standard error why a module cannot be compiled.
const childFailed = 3

// CompileChild is the other side of a [Compiler]: it limits this process, compiles the module on standard input into the cache, and gives
// the exit code. args are what follows the command: folder, seconds, bytes.
func CompileChild(args []string, in io.Reader, errOut io.Writer) int {
	if err := compileChild(args, in); err != nil {
		fmt.Fprintln(errOut, err)
		return childFailed
	}
	return 0
}

func compileChild(args []string, in io.Reader) error {
	if len(args) != 3 {
		return fmt.Errorf("%s is for zmesh itself: want a folder, seconds and bytes", CompileVerb)
	}
	seconds, err1 := strconv.ParseUint(args[1], 10, 32)
	memory, err2 := strconv.ParseUint(args[2], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if err := limitProcess(seconds, memory); err != nil {
		return fmt.Errorf("limit the compiling process: %w", err)
	}
	code, err := io.ReadAll(io.LimitReader(in, 4*defaultMaxModule))
	if err != nil {
		return err
	}
	cache, err := wazero.NewCompilationCacheWithDir(args[0])
	if err != nil {
		return err
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(false).WithCompilationCache(cache))
	if _, err := r.CompileModule(ctx, code); err != nil {
		return firstLine(err)
	}
	return nil // the process ends: nothing has to be closed
}
