package disk

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble takes an error of its write-ahead log or MANIFEST for the end: it calls the logger's Fatalf, which ends the
// process, or panics when it changes to another log (v2.1, DB.rotateWAL). A full disk must not end a forwarder. So a guard
// stands between an hour and its files:
//
//   - after the first error of a log file nothing more goes to any, and Pebble is told that all is well. The guard remembers
//     the error, and whoever wrote asks it before anything is confirmed. What is on disk is a log with a torn end, which is
//     what a power cut leaves as well.
//   - an error of a table or the MANIFEST is passed on, after a pause: Pebble tries a failed flush again at once and for ever. After it no
//     other table is made: Pebble does not take back what it noted of one whose MANIFEST failed, and would have its contents twice.
//
// An hour with such an error is closed and opened again (commit.go).
type guard struct {
	vfs.FS
	err     atomic.Pointer[error]
	after   func(time.Duration) <-chan time.Time
	closing chan struct{} // closed when the hour is about to be
	broken  chan struct{} // closed with the first error
}

// flushPause is how long a failed write of a table or the MANIFEST takes.
const flushPause = 250 * time.Millisecond

func newGuard(fs vfs.FS, after func(time.Duration) <-chan time.Time) *guard {
	return &guard{FS: fs, after: after, closing: make(chan struct{}), broken: make(chan struct{})}
}

// failed gives the first error, or nil.
func (g *guard) failed() error {
	if err := g.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (g *guard) fail(err error) {
	if g.err.CompareAndSwap(nil, &err) {
		close(g.broken)
	}
}

// kind of a file, by its name: Pebble calls logs 000012.log and tables 000013.sst.
func isLog(path string) bool { return strings.HasSuffix(path, ".log") }

func isTable(path string) bool {
	return strings.HasSuffix(path, ".sst") || strings.HasSuffix(path, ".blob")
}

// pass remembers an error of a file that is not a log. It comes late; see above.
func (g *guard) pass(path string, err error) error {
	if err == nil {
		return nil
	}
	g.fail(err)
	g.pause()
	return err
}

func (g *guard) pause() {
	select {
	case <-g.after(flushPause):
	case <-g.closing:
	}
}

// Create is vfs.FS.
func (g *guard) Create(path string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.create(path, func() (vfs.File, error) { return g.FS.Create(path, c) })
}

// ReuseForWrite is vfs.FS.
func (g *guard) ReuseForWrite(old, path string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.create(path, func() (vfs.File, error) { return g.FS.ReuseForWrite(old, path, c) })
}

func (g *guard) create(path string, do func() (vfs.File, error)) (vfs.File, error) {
	if isLog(path) {
		l := &logFile{g: g}
		l.try(func() (err error) { l.File, err = do(); return err })
		return l, nil
	}
	if err := g.failed(); err != nil { // Pebble would go on with what it has half done: after "fatal" it must not
		g.pause()
		return nil, err
	}
	f, err := do()
	if err != nil {
		return nil, g.pass(path, err)
	}
	return &guarded{File: f, g: g, path: path}, nil
}

// Unwrap is vfs.FS.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// OpenDir is vfs.FS. Directories are synced when a log is made: like the log, that does not fail.
func (g *guard) OpenDir(path string) (vfs.File, error) {
	f, err := g.FS.OpenDir(path)
	if err != nil {
		return nil, err
	}
	return &logFile{File: f, g: g}, nil
}

// guarded is a file whose errors of writing are remembered.
type guarded struct {
	vfs.File
	g    *guard
	path string
}

func (f *guarded) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.g.pass(f.path, err)
}

func (f *guarded) Sync() error     { return f.g.pass(f.path, f.File.Sync()) }
func (f *guarded) SyncData() error { return f.g.pass(f.path, f.File.SyncData()) }

func (f *guarded) SyncTo(n int64) (bool, error) {
	full, err := f.File.SyncTo(n)
	return full, f.g.pass(f.path, err)
}

// logFile is a write-ahead log that never fails. File is nil where it could not even be made.
type logFile struct {
	vfs.File
	g *guard
}

// try does what still can be done, and notes where it ends.
func (f *logFile) try(do func() error) {
	if f.g.failed() != nil {
		return
	}
	if err := do(); err != nil {
		f.g.fail(err)
	}
}

func (f *logFile) Write(p []byte) (int, error) {
	f.try(func() error { _, err := f.File.Write(p); return err })
	return len(p), nil
}

func (f *logFile) Sync() error {
	f.try(func() error { return f.File.Sync() })
	return nil
}

func (f *logFile) SyncData() error {
	f.try(func() error { return f.File.SyncData() })
	return nil
}

func (f *logFile) SyncTo(n int64) (full bool, err error) {
	f.try(func() (err error) { full, err = f.File.SyncTo(n); return err })
	return full, nil
}

func (f *logFile) Preallocate(offset, length int64) error {
	f.try(func() error { return f.File.Preallocate(offset, length) })
	return nil
}

func (f *logFile) Close() error {
	if f.File == nil {
		return nil
	}
	if err := f.File.Close(); err != nil {
		f.g.fail(err)
	}
	return nil
}

func (f *logFile) Stat() (vfs.FileInfo, error) {
	if f.File == nil {
		return noFile{}, nil
	}
	return f.File.Stat()
}

func (f *logFile) Fd() uintptr {
	if f.File == nil {
		return vfs.InvalidFd
	}
	return f.File.Fd()
}

// noFile is what is known of a file that could not be made.
type noFile struct{ vfs.FileInfo }

func (noFile) Size() int64 { return 0 }

// Infof, Errorf and Fatalf make the guard Pebble's logger: what Pebble calls fatal is an error of this hour.

// Infof is pebble.Logger; what Pebble does in the background is not logged.
func (g *guard) Infof(string, ...any) {}

// Errorf is pebble.Logger.
func (g *guard) Errorf(string, ...any) {}

// Fatalf is pebble.Logger.
func (g *guard) Fatalf(format string, args ...any) { g.fail(fmt.Errorf(format, args...)) }
