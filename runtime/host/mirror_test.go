package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/sdk/node"
)

func (w *world) mirror() admin.Mirror {
	w.t.Helper()
	list := w.host.Store().Mirrors
	if len(list) != 1 {
		w.t.Fatalf("%d mirrors", len(list))
	}
	return list[0]
}

// copied waits until the mirror has so many contents and knows of no more.
func (w *world) copied(contents uint64) {
	w.t.Helper()
	waitFor(w.t, "the mirror has not caught up", func() bool {
		m := w.mirror()
		return m.Copied == contents && m.Behind == 0
	})
}

// has reads a stream from the node's own store: every number must be there with its own bytes.
func (w *world) has(uri string, from, to uint32) {
	w.t.Helper()
	d := w.device()
	s, err := d.Subscribe(name.Hash(uri), from, false)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for seq := from; seq <= to; seq++ {
		u, err := s.Next(ctx)
		if err != nil || u.Lost || u.Seq != seq || string(u.Payload) != fmt.Sprintf("%s %d", uri, seq) {
			w.t.Fatalf("%+v, %v; want number %d", u, err, seq)
		}
	}
}

// A mirror that was away while much was published catches up from the first node, more than a name's rate allows a producer; and when the first
// is gone it serves what both had.
func TestMirrorAfterAnOutage(t *testing.T) {
	lan := freePort(t)
	storing := "[store]\nmax_rate_per_name = \"1000000/min\"\n"
	first := newWorld(t, nodeText(storing, listener("lan", lan, "publish = [\"\"]\n")))
	mirrored := "[[store.mirror]]\nprefix = \"" + name.Hash("a").String() + "\"\n"
	fast := "[limits]\nhello = \"200ms\"\n"
	second := newWorld(t, nodeText("[store]\n", mirrored, listener("lan", freePort(t), ""), remote("up", lan, ""), route("", "up", 1), fast))
	d := first.device()
	publish(t, d, "a", 1, 20)
	second.copied(20)
	second.stop()
	publish(t, d, "a", 21, 1500)
	if err := second.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.copied(1500)
	publish(t, d, "a", 1501, 1510)
	second.copied(1510)
	if m := second.mirror(); m.Lost != 0 || m.Full || m.Names != 1 || m.Prefix != name.Hash("a").String() {
		t.Errorf("%+v", m)
	}
	if s := second.host.Store(); len(s.NotKept) != 0 {
		t.Errorf("not kept: %v", s.NotKept)
	}
	first.stop()
	second.has("a", 1, 1510)
	waitFor(t, "the newest does not come from the mirror", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, err := second.device().Get(ctx, name.Hash("a"), wire.SeqNewest)
		var ret *node.ReturnError
		return err == nil && c.Seq == 1510 || err != nil && !errors.As(err, &ret)
	})
}

// The first node goes and comes back, without what it had in its connections: the mirror goes on by itself.
func TestMirrorGoesOnWhenTheFirstIsBack(t *testing.T) {
	lan := freePort(t)
	text := nodeText("[store]\nmax_rate_per_name = \"1000000/min\"\n", listener("lan", lan, "publish = [\"\"]\n"))
	first := newWorld(t, text)
	mirrored := "[[store.mirror]]\nprefix = \"" + name.Hash("a").String() + "\"\n"
	second := newWorld(t, nodeText(mirrored, listener("lan", freePort(t), ""), remote("up", lan, ""), route("", "up", 1), "[limits]\nhello = \"100ms\"\n"))
	publish(t, first.device(), "a", 1, 5)
	second.copied(5)
	first.stop()
	waitFor(t, "the way is not seen to be broken", func() bool {
		for _, f := range second.host.Faces() {
			if f.Name == "up" && !f.Up {
				return true
			}
		}
		return false
	})
	if err := first.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, first.device(), "a", 6, 10)
	second.copied(10)
	if m := second.mirror(); m.Lost != 0 {
		t.Errorf("%+v", m)
	}
}

// More names than one Interest for a pattern is answered with: the mirror finds them all.
func TestMirrorFindsEveryName(t *testing.T) {
	const names = 150
	lan := freePort(t)
	hierarchical := func(more ...string) string {
		return strings.Replace(nodeText(more...), "[node]\n", "[node]\nnaming = \"hierarchical\"\n", 1)
	}
	first := newWorld(t, hierarchical(inMemory, listener("lan", lan, "publish = [\"\"]\n")))
	d := first.device()
	for i := range names {
		s, err := node.NewStream(name.Name{1, byte(1 + i/50), byte(1 + i%50)}, node.None, nil, nil)
		if err == nil {
			err = d.Publish(s, 1, []byte("x"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "not published", func() bool { return first.host.Store().Names == names })
	second := newWorld(t, hierarchical("[store]\ndurability = \"memory\"\n[[store.mirror]]\nprefix = \"01\"\n", listener("lan", freePort(t), ""), remote("up", lan, ""), route("", "up", 1)))
	waitFor(t, "not all are found", func() bool { return second.mirror().Copied == names })
}
