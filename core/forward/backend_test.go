package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/wire"
)

// disk is a store.Backend that does its work when the test says so.
type disk struct {
	holds   []store.Loaded
	bodies  map[uint32][]byte // by FSEQ
	writes  []store.Write
	reads   []store.Read
	tickets uint64
	done    []store.Completion
	refuses bool // reads
	unsafe  bool // what is read, since a sync has failed
}

func (d *disk) Load(_ func(), yield func(*store.Loaded)) {
	for i := range d.holds {
		yield(&d.holds[i])
	}
}

func (d *disk) Write(w *store.Write) bool {
	w2 := *w
	w2.Body = append([]byte(nil), w.Body...)
	d.writes = append(d.writes, w2)
	return true
}

func (d *disk) Read(r *store.Read) bool {
	if d.refuses {
		return false
	}
	d.reads = append(d.reads, *r)
	return true
}

func (d *disk) Completions(yield func(*store.Completion)) {
	for i := range d.done {
		yield(&d.done[i])
	}
	d.done = nil
}

// work finishes what is queued: every write with the result, every read with what is there.
func (d *disk) work(k *kit, n *mesh.Node, result store.Done) {
	for _, w := range d.writes {
		d.tickets++
		d.done = append(d.done, store.Completion{Done: result, Ticket: d.tickets, Key: w.Key, Seq: uint32(w.Ext) & 0xFFFFFF, Ext: w.Ext, Hour: 1})
		d.bodies[uint32(w.Ext)&0xFFFFFF] = w.Body
	}
	for _, r := range d.reads {
		c := store.Completion{Done: store.DoneRead, Key: r.Key, Seq: r.Seq, Hour: 1, Unsafe: d.unsafe}
		if body := d.bodies[uint32(r.Ext)&0xFFFFFF]; body != nil {
			c.Ext, c.Body, c.Wall = r.Ext, body, k.m.Now().Wall
		}
		d.done = append(d.done, c)
	}
	d.writes, d.reads = nil, nil
	n.Do(func(fwd *forward.Node) { fwd.StoreReady(k.m.Now(), 0) })
	k.step()
}

// onDisk is a node with a disk, which holds numbers up to 9 of names[0] if there is one.
func onDisk(t *testing.T, class store.Class, held ...string) (*line, *disk) {
	d := &disk{bodies: map[uint32][]byte{}}
	for _, n := range held {
		d.holds = append(d.holds, store.Loaded{Key: name.MakeKey(0, nm(n)), Newest: 1<<24 | 9, Wall: mesh.Epoch, Hour: 1, Published: true})
	}
	l := newLine(t, 1, shard(func(c *store.Config) { c.Backend, c.Class = d, class }))
	return l, d
}

func (k *kit) body(n string, seq uint32) []byte { return k.content(n, seq, "from disk")[1:] }

func TestP13ConfirmationWaitsForTheCommit(t *testing.T) {
	for _, class := range []store.Class{store.Buffered, store.Durable} {
		t.Run(class.String(), func(t *testing.T) {
			l, d := onDisk(t, class)
			sensor := l.peer(l.n, plain())
			l.route(l.n, "01", l.up[0].face, 1)
			sensor.send(l.content(temp, 5, "x"))
			sensor.send(l.interest(temp, 5, 4))
			l.m.RunFor(time.Second)
			sensor.nothing()
			d.work(l.kit, l.n, store.DoneCommit)
			sensor.wants(wire.Content, 5)
			sensor.send(l.interest(temp, 5, 4))
			sensor.wants(wire.Content, 5) // at once from now on
			l.up[0].nothing()
		})
	}
}

// The store's goroutine may have read the clock before a burst that came in first.
func TestTheTimeOfAWorkerNeverGoesBack(t *testing.T) {
	l, _ := onDisk(t, store.Memory)
	l.n.Do(func(n *forward.Node) {
		before := l.m.Now()
		later := before
		later.Mono += time.Second
		later.Wall -= 3_600_000 // the wall clock may
		for _, c := range []struct{ given, want forward.Now }{{before, before}, {later, later}, {before, later}} {
			n.StoreReady(c.given, 0)
			if got := n.Worker(0).Now(); got != c.want {
				t.Errorf("given %+v the time is %+v, want %+v", c.given, got, c.want)
			}
		}
	})
}

func TestP13MemoryConfirmsNothing(t *testing.T) {
	l, _ := onDisk(t, store.Memory)
	sensor := l.peer(l.n, plain())
	l.route(l.n, "01", l.up[0].face, 1)
	sensor.send(l.content(temp, 5, "x"))
	sensor.send(l.interest(temp, 5, 4))
	sensor.returned(wire.ReturnNotHere)
	sensor.dropped(drop.NotHere)
	l.reader.send(l.interest(temp, 5, 4)) // others get it
	l.reader.wants(wire.Content, 5)
	l.up[0].nothing()
}

func TestP13AFailedWriteIsNoConfirmation(t *testing.T) {
	l, d := onDisk(t, store.Durable)
	sensor := l.peer(l.n, plain())
	sensor.send(l.content(temp, 5, "x"))
	sensor.send(l.interest(temp, 5, 4))
	d.work(l.kit, l.n, store.DoneFailed)
	sensor.returned(wire.ReturnCongestion)
}

// Who asks a number back that the disk has refused, and then sends it again, is told when it is safe.
func TestP13WhatWasRefusedIsConfirmedLater(t *testing.T) {
	l, d := onDisk(t, store.Durable)
	sensor := l.peer(l.n, plain())
	content := l.content(temp, 5, "x")
	content[0] &^= wire.MaxTTL // it has arrived: it is nobody's answer
	sensor.send(content)
	d.work(l.kit, l.n, store.DoneFailed)
	sensor.send(l.interest(temp, 5, 4))
	sensor.nothing()
	sensor.send(content)
	d.work(l.kit, l.n, store.DoneCommit)
	sensor.wants(wire.Content, 5)
}

// What a disk that fails still gives is for everybody but its producer, who would forget it.
func TestP13WhatMayNotBeSafeIsNoConfirmation(t *testing.T) {
	l, d := onDisk(t, store.Durable, temp)
	sensor := l.peer(l.n, plain())
	sensor.send(l.content(temp, 10, "x")) // it is the producer
	d.work(l.kit, l.n, store.DoneCommit)
	d.bodies[3], d.unsafe = l.body(temp, 3), true
	l.reader.send(l.interest(temp, 3, 4))
	d.work(l.kit, l.n, store.DoneCommit)
	l.reader.wants(wire.Content, 3)
	sensor.send(l.interest(temp, 3, 4))
	d.work(l.kit, l.n, store.DoneCommit)
	sensor.returned(wire.ReturnCongestion)
	d.unsafe = false
	sensor.send(l.interest(temp, 3, 4))
	d.work(l.kit, l.n, store.DoneCommit)
	sensor.wants(wire.Content, 3)
}

func TestP13ACommitThatComesTooLate(t *testing.T) {
	l, d := onDisk(t, store.Durable)
	sensor := l.peer(l.n, plain())
	sensor.send(l.content(temp, 5, "x"))
	sensor.send(l.interest(temp, 5, 1))
	l.m.RunFor(2 * time.Second)
	d.work(l.kit, l.n, store.DoneCommit)
	sensor.nothing()
}

// A number that the disk may have and does not is asked for again when its asker asks again (P-2a): the first Interest may have been lost on the way.
func TestP2aARetryOfWhatTheDiskDoesNotHave(t *testing.T) {
	l, d := onDisk(t, store.Buffered, far)
	l.route(l.n, "01", l.up[0].face, 1)
	for range 3 {
		l.reader.send(l.interest(far, 3, 2))
		d.work(l.kit, l.n, store.DoneCommit)
		l.up[0].wants(wire.Interest, 3)
		l.m.RunFor(100 * time.Millisecond)
		l.reader.send(l.interest(far, 3, 2)) // sooner than P-2a has it
		d.work(l.kit, l.n, store.DoneCommit)
		l.up[0].nothing()
		l.m.RunFor(200 * time.Millisecond)
	}
	l.up[0].send(l.content(far, 3, "x"))
	l.reader.wants(wire.Content, 3)
}

func TestP13TheProducerIsNeverForwarded(t *testing.T) {
	l, d := onDisk(t, store.Durable, temp)
	sensor := l.peer(l.n, plain())
	l.route(l.n, "01", l.up[0].face, 1)
	sensor.send(l.content(temp, 10, "x"))
	for _, c := range []struct {
		name string
		do   func()
		want func()
	}{
		{"read", func() { d.bodies[3] = l.body(temp, 3); d.work(l.kit, l.n, store.DoneCommit) }, func() { sensor.wants(wire.Content, 3) }},
		{"not there", func() { delete(d.bodies, 3); d.work(l.kit, l.n, store.DoneCommit) }, func() { sensor.returned(wire.ReturnNotHere) }},
	} {
		sensor.send(l.interest(temp, 3, 4))
		sensor.nothing()
		c.do()
		c.want()
	}
	d.refuses = true
	sensor.send(l.interest(temp, 3, 4))
	sensor.returned(wire.ReturnCongestion)
	l.up[0].nothing()
}

// What must be read from disk joins the path again.
func TestReadFromDisk(t *testing.T) {
	l, d := onDisk(t, store.Durable, far)
	d.bodies[3] = l.body(far, 3)
	other := l.asker(l.n)
	l.reader.send(l.interest(far, 3, 4))
	other.send(l.interest(far, 3, 4))
	if len(d.reads) != 1 {
		t.Errorf("%d reads, want 1", len(d.reads))
	}
	l.up[0].nothing()
	d.work(l.kit, l.n, store.DoneCommit)
	l.reader.wants(wire.Content, 3)
	other.wants(wire.Content, 3)

	l.reader.send(l.interest(far, 4, 4)) // not there after all
	other.send(l.interest(far, 4, 0))
	third := l.asker(l.n)
	third.send(l.asked(far, 4, 0, l.m.Now().Wall, 60))
	d.work(l.kit, l.n, store.DoneCommit)
	other.returned(wire.ReturnExpired) // asked the store alone (P-3)
	third.returned(wire.ReturnTTL)
	asked := l.up[0].wants(wire.Interest, 4)
	if expiryOf(asked) != 4*time.Second || asked.TTL != 6 {
		t.Errorf("asked for %s with TTL %d: another's bytes", expiryOf(asked), asked.TTL)
	}
	l.up[0].send(l.content(far, 4, "x"))
	l.reader.wants(wire.Content, 4)

	d.refuses = true
	l.reader.send(l.interest(far, 2, 4)) // the disk is busy: it goes on
	l.up[0].wants(wire.Interest, 2)
}

func TestP15FallbackFromDisk(t *testing.T) {
	for _, there := range []bool{true, false} {
		l, d := onDisk(t, store.Durable, far)
		l.m.RunFor(10 * time.Second)
		if there {
			d.bodies[9] = l.body(far, 9)
		}
		l.reader.send(l.interest(far, 0, 4))
		l.up[0].wants(wire.Interest, 0)
		l.m.RunFor(2 * time.Second) // half the expiry
		l.reader.nothing()
		d.work(l.kit, l.n, store.DoneCommit)
		if there {
			l.reader.wants(wire.Content, 9)
			l.up[0].send(l.content(far, 10, "still solicited"))
			l.up[0].dropped(drop.None)
			l.reader.nothing()
			continue
		}
		l.reader.nothing() // the neighbour may still answer
		l.up[0].send(l.content(far, 10, "x"))
		l.reader.wants(wire.Content, 10)
	}
}
