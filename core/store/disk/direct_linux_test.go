package disk

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// openDirect makes a file. The test skips where the file system, asked with one sector, takes no direct write.
func openDirect(t *testing.T, path string) *direct {
	t.Helper()
	create := func() *direct {
		f, err := vfs.Default.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		return newDirect(f).(*direct)
	}
	probe := create()
	_, err := probe.Write((&committer{}).inPieces(probe).(*pieces).buf[:sector])
	if err := errors.Join(err, probe.Close()); err != nil {
		t.Fatal(err)
	}
	if !probe.on {
		t.Skipf("the file system of %s has no direct writes", path)
	}
	return create()
}

func wantFile(t rapid.TB, path string, want []byte) {
	t.Helper()
	f, err := vfs.Default.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, len(want)+1)
	if n, _ := f.ReadAt(got, 0); !bytes.Equal(got[:n], want) {
		t.Fatalf("the file has %d bytes, want %d; equal from the beginning: %v", n, len(want), bytes.HasPrefix(want, got[:n]))
	}
}

// pattern is n bytes of which no two sectors are the same.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8) ^ byte(i>>16)
	}
	return b
}

// All but what comes behind the last whole sector passes the system's cache.
func TestPiecesAreWrittenDirectly(t *testing.T) {
	path := filepath.Join(t.TempDir(), tableName)
	d := openDirect(t, path)
	p := (&committer{}).inPieces(d).(*pieces)
	if at := uintptr(unsafe.Pointer(unsafe.SliceData(p.buf))); at%sector != 0 {
		t.Fatalf("the buffer begins %d bytes behind a sector", at%sector)
	}
	want := pattern(2*pieceSize + 5*sector + 77)
	whole := len(want) - 77
	for b := want; len(b) > 0; b = b[min(len(b), 32<<10+5):] {
		if _, err := p.Write(b[:min(len(b), 32<<10+5)]); err != nil {
			t.Fatal(err)
		}
	}
	if !d.on {
		t.Fatal("whole sectors were not written directly")
	}
	if n, err := d.Write(nil); n != 0 || err != nil || !d.on {
		t.Errorf("nothing to write: %d, %v, direct still: %v", n, err, d.on)
	}
	if len(p.buf) != whole-2*pieceSize+77 {
		t.Errorf("%d bytes wait", len(p.buf))
	}
	if err := p.Sync(); err != nil {
		t.Fatal(err)
	}
	if d.on {
		t.Error("what is no whole sector was written directly")
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, want)
}

// refuses is a file that takes so many direct writes, and of the next only a part.
type refuses struct {
	vfs.File
	takes, part int
}

func (r *refuses) Write(b []byte) (int, error) {
	flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, r.Fd(), syscall.F_GETFL, 0)
	if flags&syscall.O_DIRECT == 0 {
		return r.File.Write(b)
	}
	if r.takes--; r.takes >= 0 {
		return r.File.Write(b)
	}
	n, err := r.File.Write(b[:min(len(b), r.part)])
	if err == nil {
		err = syscall.EINVAL
	}
	return n, err
}

// Whatever is written, and wherever the disk takes no direct write any more: nothing is lost or written twice.
func TestDirectWritesFallBack(t *testing.T) {
	dir := t.TempDir()
	probe := openDirect(t, filepath.Join(dir, "probe"))
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, tableName)
		f, err := vfs.Default.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		r := &refuses{f, rapid.IntRange(0, 3).Draw(t, "direct writes"), sector * rapid.IntRange(0, 2).Draw(t, "sectors of the next")}
		p := pieces{newDirect(r), make([]byte, 0, 16*sector)}
		want := pattern(rapid.IntRange(0, 100*sector).Draw(t, "bytes"))
		for b := want; len(b) > 0; {
			n := min(len(b), rapid.IntRange(1, 20*sector).Draw(t, "at a time"))
			if m, err := p.Write(b[:n]); m != n || err != nil {
				t.Fatalf("%d of %d: %v", m, n, err)
			}
			b = b[n:]
		}
		if err := p.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, want)
	})
}

// An error that is not about direct writes is the file's.
func TestDirectWritesTellOtherErrors(t *testing.T) {
	f, err := vfs.Default.Create(filepath.Join(t.TempDir(), tableName), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	d := newDirect(f)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Write(make([]byte, sector)); n != 0 || err == nil {
		t.Errorf("to a closed file: %d, %v", n, err)
	}
}

// Tables on a real disk are read after a start.
func TestTablesOnARealDisk(t *testing.T) {
	t.Chdir(t.TempDir())
	set := settings{fs: vfs.Default, shard: buffered, clock: newClock(), disk: small()}
	n := set.start(t)
	first := n.burst(key(1), 1)
	last := n.burst(key(1), first+1)
	n.wantTables(2)
	n.stop()
	n = set.start(t)
	for seq := uint32(1); seq <= last; seq++ {
		n.wantExact(key(1), seq, label(int(seq))+strings.Repeat("x", 1000))
	}
	n.stop()
}
