package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zmesh/zmesh/core/wire"
)

// A node whose data folder is on a read-only file system starts, forwards, gives what is stored, confirms nothing, and says why.
func TestReadOnlyDataFolder(t *testing.T) {
	w := newWorld(t, nodeText(inMemory))
	w.stop()
	data := filepath.Join(filepath.Dir(w.file), "data")
	mount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("tmpfs", data, "tmpfs", flags, "size=64m"); err != nil {
			t.Skipf("needs the right to mount a file system: %v", err)
		}
	}
	start := func() {
		t.Helper()
		if err := w.start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	mount(0)
	t.Cleanup(func() {
		w.stop()
		if err := syscall.Unmount(data, 0); err != nil {
			t.Error(err)
		}
	})
	w.write(nodeText(durably, lanFace))
	start()
	confirmed(t, w.device(), "a", 1, 3)
	w.stop()

	mount(syscall.MS_REMOUNT | syscall.MS_RDONLY)
	if _, err := os.Create(filepath.Join(data, "x")); err == nil {
		t.Fatal("the file system can be written")
	}
	start()
	dev := w.device()
	has(t, dev, "a", 1, 3)
	unconfirmed(t, dev, "a", 4)
	w.forwards(dev, "b")
	if c := ask(t, dev, "a", wire.SeqNewest); c.Seq != 4 {
		t.Errorf("the newest is %d", c.Seq)
	}
	if n, m := w.said("the disk takes no more"), w.said("the admin socket cannot be made"); n != 1 || m != 1 {
		t.Errorf("said %d times that nothing is stored, %d times that there is no admin socket:\n%s", n, m, w.log.String())
	}
	w.stop()

	mount(syscall.MS_REMOUNT)
	if err := os.RemoveAll(filepath.Join(data, "store")); err != nil {
		t.Fatal(err)
	}
	mount(syscall.MS_REMOUNT | syscall.MS_RDONLY)
	start()
	dev = w.device()
	unconfirmed(t, dev, "a", 1)
	w.forwards(dev, "b")
	if got := w.host.Store().Trouble; !strings.Contains(got, "read-only") || w.said("there is no store on it that could be read") != 1 {
		t.Errorf("store stats say %q, the log\n%s", got, w.log.String())
	}
	w.stop()

	mount(syscall.MS_REMOUNT)
	start()
	confirmed(t, w.device(), "a", 4, 4)
}
