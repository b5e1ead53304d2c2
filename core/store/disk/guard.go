package disk

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble takes an error of its write-ahead log or MANIFEST for the end: it calls the logger's Fatalf, which ends the
// process, or panics when it changes to another log (v2.1, DB.rotateWAL). What it does when Fatalf comes back is not meant to be: a flush is
// tried again at once and for ever, also in Open, and makes a second table of the same contents. A full disk must not end a forwarder, nor keep it
// from opening an hour. So a guard stands between an hour and its files:
//
//   - after the first error of a change nothing in the hour's folder is changed any more, and Pebble is told that all is well. So what is on
//     the disk is what a power cut at that moment leaves, and Pebble comes to an end with whatever it was about.
//   - the guard remembers the error, and whoever wrote asks it before anything is confirmed.
//
// An hour with such an error is opened again for reading at once, and for writing later (commit.go): until then, what Pebble believes to have
// written to a table cannot be read.
type guard struct {
	vfs.FS
	dir  string // what lies elsewhere, such as a backup, is not its business
	err  atomic.Pointer[error]
	tell chan<- struct{} // gets one with the first error, if there is room
}

func newGuard(fs vfs.FS, dir string, tell chan<- struct{}) *guard {
	return &guard{FS: fs, dir: dir, tell: tell}
}

// failed gives the first error, or nil.
func (g *guard) failed() error {
	if err := g.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (g *guard) fail(err error) {
	if !g.err.CompareAndSwap(nil, &err) {
		return
	}
	select {
	case g.tell <- struct{}{}:
	default:
	}
}

// kind of a file, by its name: Pebble calls logs 000012.log and tables 000013.sst.
func isLog(path string) bool { return strings.HasSuffix(path, ".log") }

func isTable(path string) bool {
	return strings.HasSuffix(path, ".sst") || strings.HasSuffix(path, ".blob")
}

func (g *guard) mine(path string) bool { return strings.HasPrefix(path, g.dir) }

// try makes a change that must not fail, if none has failed before.
func (g *guard) try(do func() error) {
	if g.failed() != nil {
		return
	}
	if err := do(); err != nil {
		g.fail(err)
	}
}

// may makes a change that may fail, if none has failed before.
func (g *guard) may(path string, do func() error) error {
	if g.mine(path) && g.failed() != nil {
		return nil
	}
	return do()
}

// Create is vfs.FS.
func (g *guard) Create(path string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.create(path, func() (vfs.File, error) { return g.FS.Create(path, c) })
}

// createDirect creates a file that is written past the system's cache where that can be.
func (g *guard) createDirect(path string) (vfs.File, error) {
	return g.create(path, func() (vfs.File, error) {
		f, err := g.FS.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			return nil, err
		}
		return newDirect(f), nil
	})
}

// ReuseForWrite is vfs.FS.
func (g *guard) ReuseForWrite(old, path string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.create(path, func() (vfs.File, error) { return g.FS.ReuseForWrite(old, path, c) })
}

func (g *guard) create(path string, do func() (vfs.File, error)) (vfs.File, error) {
	if !g.mine(path) {
		return do()
	}
	f := &guarded{File: noFile{}, g: g}
	g.try(func() error {
		made, err := do()
		if err == nil {
			f.File = made
		}
		return err
	})
	return f, nil
}

// OpenDir is vfs.FS. A folder is opened to be synced.
func (g *guard) OpenDir(path string) (vfs.File, error) {
	f, err := g.FS.OpenDir(path)
	if err != nil || !g.mine(path) {
		return f, err
	}
	return &guarded{File: f, g: g}, nil
}

// Remove is vfs.FS. What cannot be removed is tried again when the hour is opened.
func (g *guard) Remove(path string) error {
	return g.may(path, func() error { return g.FS.Remove(path) })
}

// RemoveAll is vfs.FS.
func (g *guard) RemoveAll(path string) error {
	return g.may(path, func() error { return g.FS.RemoveAll(path) })
}

// Rename is vfs.FS.
func (g *guard) Rename(from, to string) error {
	return g.may(to, func() error { return g.FS.Rename(from, to) })
}

// Link is vfs.FS. The table that Pebble takes in is moved: FAT and exFAT, as on many cards, have no links (EPERM), and Pebble removes
// the other name next.
func (g *guard) Link(from, to string) error {
	return g.may(to, func() error {
		if g.FS.PathBase(from) == tableName {
			return g.FS.Rename(from, to)
		}
		return g.FS.Link(from, to)
	})
}

// Lock is vfs.FS. The whole store is locked (Store.claim); on a read-only file system an hour's folder could not be.
func (g *guard) Lock(string) (io.Closer, error) { return noFile{}, nil }

// Unwrap is vfs.FS.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// guarded is a file, or a folder to be synced, of which no change fails.
type guarded struct {
	vfs.File
	g *guard
}

func (f *guarded) Write(p []byte) (int, error) {
	f.g.try(func() error { _, err := f.File.Write(p); return err })
	return len(p), nil
}

func (f *guarded) WriteAt(p []byte, at int64) (int, error) {
	f.g.try(func() error { _, err := f.File.WriteAt(p, at); return err })
	return len(p), nil
}

func (f *guarded) Sync() error {
	f.g.try(f.File.Sync)
	return nil
}

func (f *guarded) SyncData() error {
	f.g.try(f.File.SyncData)
	return nil
}

func (f *guarded) SyncTo(n int64) (full bool, err error) {
	f.g.try(func() (err error) { full, err = f.File.SyncTo(n); return err })
	return full, nil
}

func (f *guarded) Preallocate(at, n int64) error {
	f.g.try(func() error { return f.File.Preallocate(at, n) })
	return nil
}

func (f *guarded) Stat() (info vfs.FileInfo, _ error) {
	info = noInfo{}
	f.g.try(func() error {
		found, err := f.File.Stat()
		if err == nil {
			info = found
		}
		return err
	})
	return info, nil
}

func (f *guarded) Close() error {
	if err := f.File.Close(); err != nil {
		f.g.fail(err)
	}
	return nil
}

// noFile stands for a file that could not be made. Nothing is written to it, and so nothing read.
type noFile struct{}

func (noFile) Close() error                           { return nil }
func (noFile) Read([]byte) (int, error)               { return 0, io.EOF }
func (noFile) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (noFile) Write(p []byte) (int, error)            { return len(p), nil }
func (noFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (noFile) Preallocate(int64, int64) error         { return nil }
func (noFile) Stat() (vfs.FileInfo, error)            { return noInfo{}, nil }
func (noFile) Sync() error                            { return nil }
func (noFile) SyncTo(int64) (bool, error)             { return false, nil }
func (noFile) SyncData() error                        { return nil }
func (noFile) Prefetch(int64, int64) error            { return nil }
func (noFile) Fd() uintptr                            { return vfs.InvalidFd }

// noInfo is what is known of such a file: it is empty.
type noInfo struct{ vfs.FileInfo }

func (noInfo) Size() int64 { return 0 }

// Infof, Errorf and Fatalf make the guard Pebble's logger: what Pebble calls fatal is an error of this hour.

// Infof is pebble.Logger; what Pebble does in the background is not logged.
func (g *guard) Infof(string, ...any) {}

// Errorf is pebble.Logger.
func (g *guard) Errorf(string, ...any) {}

// Fatalf is pebble.Logger.
func (g *guard) Fatalf(format string, args ...any) { g.fail(fmt.Errorf(format, args...)) }
