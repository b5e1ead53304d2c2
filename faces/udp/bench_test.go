package udp

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/wire"
)

// load is the asking side of a benchmark: an engine of its own, so that it costs no more than it must.
type load struct {
	conn *conn
	eng  engine
	back chan int // how many came with each read
	to   address
	list [1]parcel
}

func (k *kit) load(to *Socket) *load {
	d := k.device(to)
	c, err := newConn(d.UDPConn, false, &counters{})
	if err != nil {
		k.Fatal(err)
	}
	eng, err := newEngine(c)
	if err != nil {
		k.Fatal(err)
	}
	l := &load{conn: c, eng: eng, back: make(chan int, 1<<16), to: keyOf(to.Addr())}
	done := make(chan error)
	go func() { done <- l.eng.serve(func(b *burst) { l.back <- len(b.raw) }) }()
	k.Cleanup(func() { l.eng.stop(); <-done })
	return l
}

// rounds sends n frames, at most as many at a time as there are, and waits for an answer to each.
func (l *load) rounds(tb testing.TB, frames [][]byte, n int) {
	for n > 0 {
		part := frames[:min(n, len(frames))]
		l.list[0] = parcel{to: &l.to, frames: part}
		if l.eng.send(l.list[:]); l.list[0].sent != len(part) {
			tb.Fatalf("%d sent of %d: %v", l.list[0].sent, len(part), l.list[0].err)
		}
		for left := len(part); left > 0; {
			left -= <-l.back
		}
		n -= len(part)
	}
}

// hits is a node with one content, and an Interest for it in as many copies as may be under way.
func (k *kit) hits(window int) (*Socket, *load, [][]byte) {
	n := k.node(1, 1)
	s := n.listen("127.0.0.1:0", open())
	k.device(s).send(k.content(temp, 5, string(bytes.Repeat([]byte{7}, 100))))
	k.processed(s, 1)
	ask := k.frame(wire.Header{Name: nm(temp), Seq: 5, Type: wire.Interest, TTL: 7}, nil)
	frames := make([][]byte, window)
	for i := range frames {
		frames[i] = ask
	}
	return s, k.load(s), frames
}

// BenchmarkStoreHit is an Interest over loopback that the store answers with 100 bytes, the asking side included, which runs
// on another core if there is one.
func BenchmarkStoreHit(b *testing.B) {
	for _, c := range []struct {
		name     string
		portable bool
		window   int
	}{{"one", false, 1}, {"64", false, 64}, {"256", false, 256}, {"portable-one", true, 1}, {"portable-64", true, 64}} {
		b.Run(c.name, func(b *testing.B) {
			k := newKit(b, c.portable)
			s, l, frames := k.hits(c.window)
			l.rounds(b, frames, c.window)
			before := s.Counters()
			b.ReportAllocs()
			b.ResetTimer()
			l.rounds(b, frames, b.N)
			b.StopTimer()
			report(b, before, s.Counters())
		})
	}
}

// report adds how many system calls the node's side took for a datagram in and one out.
func report(b *testing.B, before, after Counters) {
	n := float64(after.Datagrams - before.Datagrams)
	b.ReportMetric(float64(after.ReadCalls-before.ReadCalls)/n, "reads/op")
	b.ReportMetric(float64(after.SendCalls-before.SendCalls)/n, "sends/op")
}

// BenchmarkLookup is what a burst of 64 datagrams from as many peers costs to find their faces, of 4,096.
func BenchmarkLookup(b *testing.B) {
	k := newKit(b, false)
	s := k.node(1, 1).listen("127.0.0.1:0", nil)
	list := make([]address, 4096)
	for i := range list {
		list[i] = keyOf(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(i)))
		s.peers[list[i]] = newLink(s, list[i])
	}
	r := s.readers[0]
	links := r.links
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.lookup(list[i*Burst&4095:][:Burst])
	}
	r.links = links
}

// Nothing is allocated for a datagram: not in a hit over sockets, not for a stranger's garbage.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	engines(t, func(t *testing.T, k *kit) {
		s, l, frames := k.hits(1)
		_ = testing.AllocsPerRun(100, func() { l.rounds(t, frames, 1) })
		if n := testing.AllocsPerRun(2000, func() { l.rounds(t, frames, 1) }); n != 0 {
			t.Errorf("%v allocations for a hit", n)
		}
		garbage := k.device(s)
		raw := []byte{1, 2, 3}
		one := func() { // the answer to what was sent after it tells that the garbage is processed
			_, _ = garbage.WriteToUDPAddrPort(raw, garbage.at)
			l.rounds(t, frames, 1)
		}
		if n := testing.AllocsPerRun(2000, one); n != 0 {
			t.Errorf("%v allocations for garbage", n)
		}
		if d := s.listener.Drops(); d[drop.Short] < 2000 {
			t.Errorf("dropped as %v", d)
		}
	})
}
