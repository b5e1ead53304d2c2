package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// DefaultPort is where forwarders listen (P-11).
const DefaultPort = "2208"

// Config is what a Node needs.
type Config struct {
	Network wire.Network // the network's keys; Use is what this node signs with
	Tagged  bool         // write the Net ID into frames (P-19)
}

// Node is a device's or application's end of one link to a forwarder. It is safe for concurrent use.
type Node struct {
	link  io.ReadWriteCloser
	netID uint32
	use   uint8
	ring  *wire.Keyring

	mu      sync.Mutex
	signer  *wire.Verifier
	waiters map[ask][]chan reply
	subs    map[*Subscription]struct{}
	lastMS  int64
	closed  bool
	failure error

	done chan struct{}

	received, dropped atomic.Uint64
}

// ask is what an Interest asked for.
type ask struct {
	name name.Name
	seq  uint32
}

// reply is a Content or an Interest Return that answers an ask.
type reply struct {
	frame    wire.Frame // a copy that nobody else holds
	returned *wire.Returned
}

// Dial opens a UDP link to a forwarder. to is udp://HOST[:PORT] or HOST[:PORT].
func Dial(ctx context.Context, to string, c Config) (*Node, error) {
	host, found := strings.CutPrefix(to, "udp://")
	if !found && strings.Contains(to, "://") {
		return nil, fmt.Errorf("link %q: want udp://HOST:PORT", to)
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, DefaultPort)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", host)
	if err != nil {
		return nil, fmt.Errorf("link %q: %w", to, err)
	}
	return New(conn, c)
}

// New takes a link over which each Write is one frame and each Read gives one. The Node closes it.
func New(link io.ReadWriteCloser, c Config) (*Node, error) {
	ring, err := wire.NewKeyring(c.Network)
	if err != nil {
		return nil, errors.Join(err, link.Close())
	}
	n := &Node{
		link: link, ring: ring, signer: ring.Verifier(), use: c.Network.Use,
		waiters: map[ask][]chan reply{}, subs: map[*Subscription]struct{}{}, done: make(chan struct{}),
	}
	if c.Tagged {
		n.netID = c.Network.NetID
	}
	go n.read()
	return n, nil
}

// ErrClosed says that the Node was closed.
var ErrClosed = errors.New("node is closed")

// Close ends the node's goroutine, its subscriptions and its link.
func (n *Node) Close() error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	err := n.link.Close()
	<-n.done
	return err
}

// read takes frames from the link until it is closed. A link that gives an error (a UDP port that nobody listens on answers so) is
// read again: the forwarder may come back.
func (n *Node) read() {
	defer close(n.done)
	v := n.ring.Verifier()
	buf := make([]byte, wire.MaxFrame+1)
	for {
		size, err := n.link.Read(buf)
		if n.isClosed() || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
			n.end()
			return
		}
		if err != nil {
			n.noteFailure(err)
			continue
		}
		var f wire.Frame
		raw := append([]byte(nil), buf[:size]...)
		if f.Parse(raw) != 0 {
			n.dropped.Add(1)
			continue
		}
		if _, why := v.Verify(&f); why != 0 {
			n.dropped.Add(1)
			continue
		}
		n.received.Add(1)
		n.dispatch(f)
	}
}

func (n *Node) isClosed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

// noteFailure keeps the link's last error for whoever asks in vain. It pauses, so that a link that fails at once does not spin.
func (n *Node) noteFailure(err error) {
	n.mu.Lock()
	n.failure = err
	n.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
}

func (n *Node) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for s := range n.subs {
		s.wake()
	}
}

// dispatch hands a frame to who waits for it. Subscriptions have it before the waiters: a number that was asked for is then in
// its place when the wait ends.
func (n *Node) dispatch(f wire.Frame) {
	if f.Type == wire.Content {
		for _, s := range n.subscriptions() {
			s.heard(f)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failure = nil
	switch f.Type {
	case wire.Content:
		r := reply{frame: f}
		n.answer(ask{f.Name, f.Seq}, r)
		n.answer(ask{f.Name, wire.SeqNewest}, r)
	case wire.Return:
		ret := wire.ReturnedOf(f.Payload)
		n.answer(ask{f.Name, f.Seq}, reply{frame: f, returned: &ret})
	}
}

// subscriptions are those that stand now. A subscription's mutex is taken before the node's, so they are called without it.
func (n *Node) subscriptions() (list []*Subscription) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.subs {
		list = append(list, s)
	}
	return list
}

// answer gives a reply to all who wait for it. Who is not fast enough to take a second one does without: one ends the wait.
func (n *Node) answer(a ask, r reply) {
	for _, ch := range n.waiters[a] {
		select {
		case ch <- r:
		default:
		}
	}
}

// wait registers for the replies to an ask until forget is called.
func (n *Node) wait(a ask) (ch chan reply, forget func()) {
	ch = make(chan reply, 4)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiters[a] = append(n.waiters[a], ch)
	return ch, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		kept := n.waiters[a][:0]
		for _, c := range n.waiters[a] {
			if c != ch {
				kept = append(kept, c)
			}
		}
		if n.waiters[a] = kept; len(kept) == 0 {
			delete(n.waiters, a)
		}
	}
}

// timestamp is the Unix time in ms, made to differ from the one before: a retry must not look like a repetition (P-2a).
func (n *Node) timestamp() int64 {
	n.lastMS = max(n.lastMS+1, time.Now().UnixMilli())
	return n.lastMS
}

// sendInterest sends an Interest made now and gives its payload.
func (n *Node) sendInterest(a ask, ttl uint8, expiry time.Duration) (wire.Asked, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	seconds := (expiry + time.Second - 1) / time.Second
	asked := wire.MakeAsked(n.timestamp(), uint16(min(max(seconds, 0), 0xFFFF)))
	h := wire.Header{Name: a.name, Seq: a.seq, Type: wire.Interest, TTL: ttl}
	return asked, n.send(h, asked[:])
}

// send builds, signs and writes a frame. The caller holds the mutex.
func (n *Node) send(h wire.Header, payload []byte) error {
	if n.closed {
		return ErrClosed
	}
	if len(payload) > wire.MaxPayload {
		return fmt.Errorf("payload of %d bytes, want at most %d", len(payload), wire.MaxPayload)
	}
	h.NetID, h.KeyID = n.netID, n.use
	raw := h.Append(make([]byte, 0, wire.MinFrame+wire.NetIDSize+len(payload)), payload)
	if err := n.signer.Sign(0, raw); err != nil {
		return err
	}
	if _, err := n.link.Write(raw); err != nil && !temporary(err) {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// temporary tells whether a write failed only because nobody listens at the other end now: the frame is lost like any other.
func temporary(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !errors.Is(err, net.ErrClosed)
}

// Stats counts the frames that came in, and those that were dropped because they did not parse or verify.
func (n *Node) Stats() (received, dropped uint64) { return n.received.Load(), n.dropped.Load() }
