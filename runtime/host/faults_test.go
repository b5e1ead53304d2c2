package host_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/host"
	"github.com/zmesh/zmesh/sdk/node"
)

const (
	durably = "[store]\ndurability = \"durable\"\n"
	anyTime = "[limits]\ntimestamp_window = \"24h\"\n" // the devices' clocks stay where they are (P-4)
)

// badDisk lets every change of the disk fail while err is set.
type badDisk struct{ err atomic.Pointer[error] }

func (b *badDisk) MaybeError(op errorfs.Op) error {
	if err := b.err.Load(); err != nil && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		return *err
	}
	return nil
}

func (b *badDisk) String() string { return "bad disk" }

// on lets it fail with err, or no more.
func (b *badDisk) on(err error) {
	if err == nil {
		b.err.Store(nil)
		return
	}
	b.err.Store(&err)
}

func testStream(t *testing.T, uri string) *node.Stream {
	t.Helper()
	s, err := node.NewStream(name.Hash(uri), node.None, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// confirmed publishes contents and waits until each is confirmed (P-13).
func confirmed(t *testing.T, n *node.Node, uri string, from, to uint32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for seq := from; seq <= to; seq++ {
		if err := n.PublishConfirmed(ctx, testStream(t, uri), seq, fmt.Appendf(nil, "%s %d", uri, seq)); err != nil {
			t.Fatal(err)
		}
	}
}

// unconfirmed publishes a content for which no confirmation may come.
func unconfirmed(t *testing.T, n *node.Node, uri string, seq uint32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := n.PublishConfirmed(ctx, testStream(t, uri), seq, fmt.Appendf(nil, "%s %d", uri, seq)); err == nil {
		t.Errorf("%s %d was confirmed", uri, seq)
	}
}

// forwards shows that the node passes on what comes, to a subscription that is opened at the moment at which the name begins.
func (w *world) forwards(n *node.Node, uri string) {
	w.t.Helper()
	sub, err := w.device().Subscribe(name.Hash(uri), 0, false)
	if err != nil {
		w.t.Fatal(err)
	}
	defer sub.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	got := make(chan error, 1)
	go func() {
		_, err := sub.Next(ctx)
		got <- err
	}()
	for seq := uint32(1); ; seq++ {
		if err := n.Publish(testStream(w.t, uri), seq, []byte("passed on")); err != nil {
			w.t.Fatal(err)
		}
		select {
		case err := <-got:
			if err != nil {
				next, known := sub.Position()
				w.t.Fatalf("%s was published %d times, and the subscription (at %d, known: %t) says: %v", uri, seq, next, known, err)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// has asks for contents and compares them.
func has(t *testing.T, n *node.Node, uri string, from, to uint32) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		if c := ask(t, n, uri, seq); string(c.Payload) != fmt.Sprintf("%s %d", uri, seq) {
			t.Errorf("%s %d is %q", uri, seq, c.Payload)
		}
	}
	if c := ask(t, n, uri, wire.SeqNewest); c.Seq < to {
		t.Errorf("the newest of %s is %d, want %d", uri, c.Seq, to)
	}
}

// said counts the lines of the log with a text.
func (w *world) said(text string) int { return strings.Count(w.log.String(), text) }

// A disk that begins to fail: what comes is forwarded and kept in memory, what is there is served, nothing is confirmed, and the operator is told
// once. When it is well again, what is published again is confirmed.
func TestDiskThatBeginsToFail(t *testing.T) {
	for _, err := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
		t.Run(err.Error(), func(t *testing.T) {
			bad := &badDisk{}
			w := newWorld(t, nodeText(durably, lanFace), host.StoreOn(errorfs.Wrap(vfs.NewMem(), bad)))
			dev := w.device()
			confirmed(t, dev, "a", 1, 3)
			bad.on(err)
			unconfirmed(t, dev, "a", 4)
			w.forwards(dev, "b")
			has(t, w.device(), "a", 1, 4)
			if got := w.host.Store().Trouble; !strings.Contains(got, err.Error()) {
				t.Errorf("store stats say %q", got)
			}
			bad.on(nil)
			confirmed(t, dev, "a", 4, 5)
			if got := w.host.Store().Trouble; got != "" {
				t.Errorf("store stats still say %q", got)
			}
			if n, m := w.said("the disk takes no more"), w.said("the disk takes contents again"); n != 1 || m != 1 {
				t.Errorf("it said %d times that the disk fails and %d times that it does not:\n%s", n, m, w.log.String())
			}
			w.stop()
			if err := w.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			has(t, w.device(), "a", 1, 5)
		})
	}
}

// An hour that is missing and one that is damaged when the node starts: the one is said to be damaged in one sentence, the rest is there, and the
// node goes on.
func TestHoursThatAreMissingOrDamagedAtTheStart(t *testing.T) {
	var clock host.TestClock
	w := newWorld(t, nodeText(durably, lanFace, anyTime), clock.Option())
	const hours = 4
	for hour := uint32(1); hour <= hours; hour++ {
		confirmed(t, w.device(), "a", hour, hour)
		w.stop()
		clock.Set(time.Duration(hour) * time.Hour)
		if hour < hours {
			if err := w.start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	dirs, err := filepath.Glob(filepath.Join(filepath.Dir(w.file), "data", "store", "0*"))
	if err != nil || len(dirs) != hours {
		t.Fatalf("%v %v", dirs, err)
	}
	manifests, err := filepath.Glob(filepath.Join(dirs[1], "MANIFEST*"))
	if err != nil || len(manifests) == 0 {
		t.Fatal(manifests, err)
	}
	for _, m := range manifests {
		if err := os.WriteFile(m, []byte("not a manifest"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(dirs[2]); err != nil {
		t.Fatal(err)
	}
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	dev := w.device()
	has(t, dev, "a", 1, 1)
	has(t, dev, "a", hours, hours)
	w.forwards(dev, "b")
	confirmed(t, dev, "a", hours+1, hours+1)
	if w.said("an hour is damaged and was set aside") != 1 || w.said("could not be read") != 0 {
		t.Errorf("the log says\n%s", w.log.String())
	}
	if _, err := os.Stat(dirs[1]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the damaged hour is where it was: %v", err)
	}
}

// The clock is set forward and back over the ends of hours, while the node runs and while it does not: everything stays, the newest is the newest,
// and it is said.
func TestClockStepsInARunningNode(t *testing.T) {
	var clock host.TestClock
	w := newWorld(t, nodeText(durably, lanFace, anyTime), clock.Option())
	dev, seq := w.device(), uint32(0)
	for _, step := range []time.Duration{0, 90 * time.Minute, -90 * time.Minute, 5 * time.Hour, 20 * time.Hour, -20 * time.Hour} {
		clock.Set(step)
		seq++
		confirmed(t, dev, "a", seq, seq)
		w.forwards(dev, fmt.Sprint("b", seq))
		has(t, w.device(), "a", 1, seq)
		if step == 5*time.Hour {
			w.stop()
			clock.Set(4 * time.Hour)
			if err := w.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			dev = w.device()
		}
	}
	w.stop() // the steps are written down at the latest now
	if w.said("the clock was set") == 0 {
		t.Errorf("the log does not say that the clock was set:\n%s", w.log.String())
	}
}
