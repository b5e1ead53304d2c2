package node

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// pair is two nodes that have each other as the other end of their links.
func pair(t *testing.T) (a, b *Node) {
	t.Helper()
	ports := [2]int{freePort(t), freePort(t)}
	ends := [2]*Node{}
	for i := range ends {
		c := testConfig()
		c.Port = ports[i]
		var err error
		if ends[i], err = Dial(t.Context(), net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[1-i])), c); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ends[i].Close() })
	}
	return ends[0], ends[1]
}

func freePort(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// Two nodes exchange contents without a forwarder: what one publishes the other's subscription gets, in order, what was lost on the way is fetched from the
// producer's last contents, and what it never published it says.
func TestTwoNodesWithoutAForwarder(t *testing.T) {
	a, b := pair(t)
	marks, err := OpenWatermark(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStream(temperature, AES128CTR, make([]byte, 16), make([]byte, IVSize))
	if err != nil {
		t.Fatal(err)
	}
	p := NewProducer(a, s, marks)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := p.Publish([]byte("1")); err != nil {
		t.Fatal(err)
	}
	sub, err := b.Subscribe(temperature, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint32(1); seq <= 8; seq++ {
		u, err := sub.Next(ctx)
		if err != nil || u.Lost || u.Seq != seq {
			t.Fatalf("%+v, %v; want number %d", u, err, seq)
		}
		if plain, err := s.Open(u.Payload, u.Seq); err != nil || string(plain) != strconv.Itoa(int(seq)) {
			t.Errorf("%q, %v", plain, err)
		}
		if _, err := p.Publish([]byte(strconv.Itoa(int(seq + 1)))); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := b.Get(ctx, temperature, 3); err != nil || c.Seq != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := b.Get(ctx, temperature, wire.SeqNewest); err != nil || c.Seq != 9 {
		t.Errorf("%+v, %v", c, err)
	}
	var ret *ReturnError
	if _, err := b.Get(ctx, temperature, 100); !errors.As(err, &ret) || ret.Reason != wire.ReturnNotHere {
		t.Errorf("what was never published: %v", err)
	}
}
