package streams

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// socket is a device with nothing but a UDP socket: the node library would take more memory than the node.
type socket struct {
	t    *testing.T
	conn *net.UDPConn
	v    *wire.Verifier
}

func sockets(t *testing.T, to string, many int) (list []*socket) {
	t.Helper()
	ring, err := wire.NewKeyring(network())
	if err != nil {
		t.Fatal(err)
	}
	v := ring.Verifier()
	for range many {
		conn, err := net.Dial("udp", to)
		if err != nil {
			t.Fatalf("socket %d: %v: ulimit -n must allow one for each", len(list), err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		list = append(list, &socket{t, conn.(*net.UDPConn), v})
	}
	return list
}

func (s *socket) send(h wire.Header, payload []byte) {
	raw := h.Append(nil, payload)
	err := s.v.Sign(0, raw)
	if err == nil {
		_, err = s.conn.Write(raw)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// subscribe sends an Interest for 120 s. No two may have the same timestamp: from different addresses they are a replay (P-11).
func (s *socket) subscribe(n name.Name, ms int64) {
	asked := wire.MakeAsked(ms, 120)
	s.send(wire.Header{Name: n, Seq: wire.SeqSubscribe, Type: wire.Interest, TTL: wire.MaxTTL}, asked[:])
}

func (s *socket) publish(n name.Name, seq uint32) {
	s.send(wire.Header{Name: n, Seq: seq, Type: wire.Content, TTL: wire.MaxTTL}, payload(seq))
}

// got waits for the next Content and gives its name.
func (s *socket) got() (n name.Name, seq uint32) {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	var buf [2048]byte
	for {
		size, err := s.conn.Read(buf[:])
		if err != nil {
			s.t.Fatal(err)
		}
		var f wire.Frame
		if f.Parse(buf[:size]); f.Type == wire.Content {
			return f.Name, f.Seq
		}
	}
}

// manySubscribers is one name with many subscribers, each an address of its own.
func manySubscribers(t *testing.T, many int) {
	h, to := run(t, fmt.Sprintf("[limits]\non_demand_faces = %d\nfaces_per_address = %d\nsubscriptions = %d\n[store]\ndurability = \"memory\"\n%s",
		2*many, 2*many, 8*many, listening))
	list, device := sockets(t, to, many), sockets(t, to, 1)[0]
	device.publish(temperature, 1)
	waitFor(t, "not published", func() bool { return h.Status().Store.Names == 1 })
	before, now := heap(), time.Now().UnixMilli()
	for i, s := range list {
		s.subscribe(temperature, now-int64(i))
		if i%64 == 63 { // what a socket's buffer holds
			waitFor(t, "a subscription is not there", func() bool { return h.Status().Tables.Subscribers == i+1 })
		}
	}
	waitFor(t, "not all subscriptions are there", func() bool { return h.Status().Tables.Subscribers == many })
	took := heap() - before
	start := time.Now()
	for seq := uint32(2); seq <= 4; seq++ {
		device.publish(temperature, seq)
		for _, s := range list {
			if _, got := s.got(); got != seq {
				t.Fatalf("got %d, want %d", got, seq)
			}
		}
	}
	t.Logf("%d subscribers on one name: %.1f MiB, %d bytes each; 3 contents to all of them in %s", many, float64(took)/(1<<20), took/int64(many),
		time.Since(start).Round(time.Millisecond))
}

// manyNames is many names with one subscriber each.
func manyNames(t *testing.T, many int) {
	const askers, window = 100, 250
	h, to := run(t, fmt.Sprintf("[limits]\nfaces_per_address = %d\nsubscriptions = %d\n[store]\ndurability = \"memory\"\n%s", 2*askers, 8*many, listening))
	list, device := sockets(t, to, askers), sockets(t, to, 1)[0]
	nameOf := func(i int) name.Name { return name.Name{1, byte(1 + i/200/200), byte(1 + i/200%200), byte(1 + i%200)} }
	for _, s := range append(list, device) { // they are faces, and no part of what is measured
		s.publish(nameOf(many), 1)
	}
	waitFor(t, "not all are faces", func() bool { return h.Status().Faces == askers+1 })
	before, now := heap(), time.Now().UnixMilli()
	for i := range many {
		list[i%askers].subscribe(nameOf(i), now-int64(i)%60_000)
		if i%window == window-1 {
			waitFor(t, "a subscription is not there", func() bool { return h.Status().Tables.Subscribers == i+1 })
		}
	}
	waitFor(t, "not all subscriptions are there", func() bool { return h.Status().Tables.Subscribers == many })
	took := heap() - before
	start := time.Now()
	for first := 0; first < many; first += window {
		end := min(first+window, many)
		for i := first; i < end; i++ {
			device.publish(nameOf(i), 7)
		}
		for i := first; i < end; i++ {
			if n, seq := list[i%askers].got(); n != nameOf(i) || seq != 7 {
				t.Fatalf("got %s #%d, want %s #7", n, seq, nameOf(i))
			}
		}
	}
	t.Logf("%d names with one subscriber each: %.1f MiB, %d bytes each; a content of each in %s", many, float64(took)/(1<<20), took/int64(many),
		time.Since(start).Round(time.Millisecond))
}

func TestManySubscribersOfOneName(t *testing.T)   { manySubscribers(t, 1000) }
func TestManyNamesWithOneSubscriber(t *testing.T) { manyNames(t, 10_000) }

func TestSoakManySubscribersOfOneName(t *testing.T)   { manySubscribers(t, soak(t, 10_000)) }
func TestSoakManyNamesWithOneSubscriber(t *testing.T) { manyNames(t, soak(t, 100_000)) }
