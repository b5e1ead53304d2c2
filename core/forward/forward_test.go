package forward_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/wire"
)

func TestPublishAndGet(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	sensor, reader := k.peer(n, plain()), k.peer(n, forward.FaceConfig{})
	sensor.send(k.content(temp, 5, "21.5"))
	reader.send(k.interest(temp, 5, 2))
	got := reader.wants(wire.Content, 5)
	if string(got.Payload) != "21.5" || got.TTL != 7 {
		t.Errorf("payload %q TTL %d", got.Payload, got.TTL)
	}
	reader.send(k.interest(temp, 0, 2))
	reader.wants(wire.Content, 5)
	reader.send(k.bare(temp, 0))
	reader.wants(wire.Content, 5)
}

func TestForwardAndReversePath(t *testing.T) {
	k := newKit(t, 2)
	a, b := k.node(1), k.node(2)
	_, fa, _ := k.join(a, b)
	k.route(a, "01", fa, 1)
	sensor, reader := k.peer(b, plain()), k.peer(a, forward.FaceConfig{})
	sensor.send(k.content(temp, 1, "x"))
	reader.send(k.interest(temp, 1, 2))
	if got := reader.wants(wire.Content, 1); got.TTL != 6 {
		t.Errorf("TTL %d, want 6: forwarded once", got.TTL)
	}
	reader.send(k.interest(temp, 1, 2)) // now from a's own store
	if got := reader.wants(wire.Content, 1); got.TTL != 7 {
		t.Errorf("TTL %d, want 7: from the store", got.TTL)
	}
}

func TestSubscribe(t *testing.T) {
	k := newKit(t, 3)
	a, b := k.node(1), k.node(2)
	_, fa, _ := k.join(a, b)
	k.route(a, "01", fa, 1)
	sensor, one, two := k.peer(b, plain()), k.peer(a, forward.FaceConfig{}), k.peer(a, forward.FaceConfig{})
	sensor.send(k.content(temp, 1, "old"))
	one.send(k.interest(temp, wire.SeqSubscribe, 60))
	two.send(k.interest(temp, wire.SeqSubscribe, 60))
	one.nothing()
	for seq := uint32(2); seq < 6; seq++ {
		sensor.send(k.content(temp, seq, "v"))
		one.wants(wire.Content, seq)
		two.wants(wire.Content, seq)
	}
	k.m.RunFor(61 * time.Second)
	sensor.send(k.content(temp, 6, "v"))
	one.nothing()
	two.nothing()
}

func TestNoRouteReturns(t *testing.T) {
	k := newKit(t, 4)
	n := k.node(7)
	reader := k.peer(n, forward.FaceConfig{})
	raw := k.interest(temp, 9, 2)
	reader.send(raw)
	ret := reader.returned(wire.ReturnNoRoute)
	if !bytes.Equal(ret.Asked[:], raw[11:19]) || ret.Node != 7 {
		t.Errorf("Return carries %x from node %d", ret.Asked, ret.Node)
	}
	if reader.drops(drop.NoRoute) != 1 {
		t.Errorf("%d counted as no_route, want 1", reader.drops(drop.NoRoute))
	}
}

func TestWildcard(t *testing.T) {
	k := newKit(t, 5)
	n := k.node(1)
	sensor, reader := k.peer(n, plain()), k.peer(n, forward.FaceConfig{})
	sensor.send(k.content("010203010000", 1, "a"))
	sensor.send(k.content("010204010000", 1, "b"))
	sensor.send(k.content("010304010000", 1, "c"))
	reader.send(k.interest("0102ff010000", 0, 2))
	k.step()
	contents := 0
	for _, f := range reader.take() {
		if f.Type == wire.Content {
			contents++
		}
	}
	if contents != 2 {
		t.Errorf("%d contents, want 2", contents)
	}
}
