package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/wire"
)

// stuck is a store.Backend whose disk does nothing any more: reads and writes are queued up to a bound and never end.
type stuck struct{ writes, reads int }

func (s *stuck) Load(func(), func(*store.Loaded)) {}

func (s *stuck) Write(*store.Write) bool {
	s.writes++
	return s.writes <= 2
}

func (s *stuck) Read(*store.Read) bool {
	s.reads++
	return s.reads <= 2
}

func (s *stuck) Completions(func(*store.Completion)) {}

// TestForwardingDoesNotWaitForTheDisk: while the disk is stuck and its queue is full, contents are pushed, forwarded and answered from memory;
// only who asks for a confirmation gets none (P-13).
func TestForwardingDoesNotWaitForTheDisk(t *testing.T) {
	s := &stuck{}
	l := newLine(t, 1, shard(func(c *store.Config) { c.Backend, c.Class = s, store.Durable }))
	sensor := l.peer(l.n, plain())
	l.route(l.n, "02", l.up[0].face, 1)
	l.reader.send(l.interest(temp, wire.SeqSubscribe, 60))
	for seq := uint32(1); seq <= 10; seq++ {
		sensor.send(l.content(temp, seq, "x"))
		l.reader.wants(wire.Content, seq)

		l.reader.send(l.interest(far, seq, 4))
		l.up[0].wants(wire.Interest, seq)
		l.up[0].send(l.content(far, seq, "x"))
		l.reader.wants(wire.Content, seq)
	}
	if s.writes != 20 {
		t.Errorf("%d writes were tried, want 20", s.writes)
	}
	sensor.send(l.interest(temp, 1, 2)) // queued, and never committed
	l.m.RunFor(4 * time.Second)
	sensor.nothing()
}
