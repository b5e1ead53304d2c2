package host_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/sdk/node"
)

var testKey = [wire.KeySize]byte{0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c}

const volumeConfig = `
[node]
name = "volume"
[[network_keys]]
id = 0
use = true
key = "2b7e151628aed2a6abf7158809cf4f3c"
[store]
durability = "buffered"
sync_every = "50ms"
memory = "8MiB"
max_rate_per_name = "1000000/min"
max_size = "64GiB" # an hour takes what the test publishes: a face may fill a quarter of it (P-22)
[[faces]]
name = "lan"
type = "udp"
listen = "127.0.0.1:0"
publish = [""]
share = 1.0
`

// What is sent through a node comes back, by number, as the newest and as a stream: all equal to what was sent.
func TestEverythingComesBack(t *testing.T) { everythingComesBack(t, 200, 20) }

// TestSoakEverythingComesBack is the same with 10,000 names of 100 contents.
func TestSoakEverythingComesBack(t *testing.T) {
	fraction, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set: make soak runs this")
	}
	everythingComesBack(t, max(int(10_000*fraction), 1), 100)
}

func everythingComesBack(t *testing.T, names int, each uint32) {
	v := newVolume(t, newWorld(t, volumeConfig).address("lan"), names)
	start := time.Now()
	for seq := uint32(1); seq <= each; seq++ {
		for i := range v.names {
			v.publish(i, seq)
		}
	}
	t.Logf("%d contents published in %s", names*int(each), time.Since(start).Round(time.Millisecond))
	start = time.Now()
	for seq := uint32(1); seq <= each; seq++ {
		for i := range v.names {
			v.ask(i, seq, seq)
		}
	}
	for i := range v.names {
		v.ask(i, wire.SeqNewest, each)
	}
	v.drain()
	t.Logf("%d came back by number, and every newest, in %s", names*int(each), time.Since(start).Round(time.Millisecond))
	v.replay(each)
}

// volume is a client that sends and asks in windows, so that nothing is lost in a socket's buffer.
type volume struct {
	t       *testing.T
	conn    *net.UDPConn
	signer  *wire.Verifier
	names   []name.Name
	sent    int
	waiting map[question][]byte // what the answer must be
	buf     []byte
}

type question struct {
	name name.Name
	seq  uint32 // of the answer
}

const window = 64

func newVolume(t *testing.T, address string, names int) *volume {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ring, err := wire.NewKeyring(wire.Network{Keys: [wire.NetworkKeys]*[wire.KeySize]byte{&testKey}})
	if err != nil {
		t.Fatal(err)
	}
	v := &volume{t: t, conn: conn, signer: ring.Verifier(), waiting: map[question][]byte{}, buf: make([]byte, wire.MaxFrame)}
	for i := range names {
		v.names = append(v.names, name.Hash(fmt.Sprintf("volume/%d", i)))
	}
	return v
}

// payload differs for each name and number, in length too.
func (v *volume) payload(i int, seq uint32) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%d of %d;", seq, i)), 1+(i+int(seq))%8)
}

func (v *volume) send(h wire.Header, payload []byte) {
	raw := h.Append(nil, payload)
	if err := v.signer.Sign(0, raw); err != nil {
		v.t.Fatal(err)
	}
	if _, err := v.conn.Write(raw); err != nil {
		v.t.Fatal(err)
	}
}

// publish sends a content; every 64th is asked for by another node's eyes: its newest comes back once it was taken.
func (v *volume) publish(i int, seq uint32) {
	v.send(wire.Header{Name: v.names[i], Seq: seq, Type: wire.Content, TTL: 7}, v.payload(i, seq))
	if v.sent++; v.sent%window == 0 {
		v.ask(i, wire.SeqNewest, seq)
		v.drain()
	}
}

// ask asks for a content whose number is to be answer.
func (v *volume) ask(i int, seq, answer uint32) {
	if len(v.waiting) == window {
		v.read()
	}
	asked := wire.MakeAsked(time.Now().UnixMilli(), 30)
	v.send(wire.Header{Name: v.names[i], Seq: seq, Type: wire.Interest, TTL: 7}, asked[:])
	v.waiting[question{v.names[i], answer}] = v.payload(i, answer)
}

func (v *volume) drain() {
	for len(v.waiting) > 0 {
		v.read()
	}
}

// read takes one answer and compares it.
func (v *volume) read() {
	v.t.Helper()
	if err := v.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		v.t.Fatal(err)
	}
	n, err := v.conn.Read(v.buf)
	if err != nil {
		v.t.Fatalf("%d answers are missing: %v", len(v.waiting), err)
	}
	var f wire.Frame
	if why := f.Parse(v.buf[:n]); why != 0 {
		v.t.Fatal(why)
	}
	q := question{f.Name, f.Seq}
	want, ok := v.waiting[q]
	if !ok || f.Type != wire.Content || !bytes.Equal(f.Payload, want) {
		v.t.Fatalf("%s %s #%d with %q, want %q", f.Type, f.Name, f.Seq, f.Payload, want)
	}
	delete(v.waiting, q)
}

// replay reads some of the streams from number 1.
func (v *volume) replay(each uint32) {
	n, err := node.Dial(v.t.Context(), v.conn.RemoteAddr().String(), node.Config{
		Network: wire.Network{Keys: [wire.NetworkKeys]*[wire.KeySize]byte{&testKey}},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	defer n.Close()
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	for i := 0; i < len(v.names); i += max(len(v.names)/20, 1) {
		sub, err := n.Subscribe(v.names[i], wire.SeqFirst, false)
		if err != nil {
			v.t.Fatal(err)
		}
		for seq := uint32(1); seq <= each; seq++ {
			u, err := sub.Next(ctx)
			if err != nil || u.Lost || u.Seq != seq || !bytes.Equal(u.Payload, v.payload(i, seq)) {
				v.t.Fatalf("replay of name %d: %+v, %v; want number %d", i, u, err, seq)
			}
		}
		sub.Close()
	}
}
