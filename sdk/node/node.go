package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

// readBuffer is what a UDP socket is asked to hold, in bytes: a store that answers 16 Interests at once, or a burst of several
// producers, must not be lost because the reader was not scheduled.
const readBuffer = 1 << 20

// Config is what a Node needs.
type Config struct {
	Network  wire.Network // the network's keys; Use is what this node signs with
	Tagged   bool         // write the Net ID into frames (P-19)
	Wildcard byte         // of hierarchical names (P-5); 0: name.DefaultWildcard

	// Port is the local UDP port of Dial; 0: the system's choice. A forwarder knows a producer by its address and port, and
	// takes a name's contents from one producer alone (P-17): one that starts again from another port is refused until the
	// forwarder has given up the old one. Dial fails with syscall.EADDRINUSE if the port is taken.
	Port int

	// Patience is for how long, about, a subscription asks in vain for a number, while the link works, before it counts the number as lost; 0: two
	// minutes, in which a number over three links that lose 30 % each comes. A Return 2 is believed at once (P-12).
	Patience time.Duration
}

// Node is a device's or application's end of one link to a forwarder. It is safe for concurrent use.
type Node struct {
	link     io.ReadWriteCloser
	netID    uint32
	use      uint8
	wildcard byte
	ring     *wire.Keyring
	skew     int64 // of timestamps, in ms
	misses   int   // tries of a subscription that are in vain before a number is lost

	writing chan struct{} // of one: held over a Write, and never taken while mu is held
	signer  *wire.Verifier

	mu        sync.Mutex
	waiters   map[ask]map[*waiter]struct{}
	recent    recent
	subs      map[name.Name][]*Subscription // replaced, never changed in place
	wild      []*Subscription               // the same
	lastMS    int64
	producers map[name.Name]*Producer // nil until there is one
	closed    bool
	failure   error

	interests chan interest  // for the producers
	closing   chan struct{}  // closed by Close
	done      chan struct{}  // closed when the link is no longer read
	pumps     sync.WaitGroup // the other goroutines: of the subscriptions, and of the producers

	received, dropped atomic.Uint64
}

// ask is what an Interest asked for.
type ask struct {
	name name.Name
	seq  uint32
}

// Dial opens a UDP link to a forwarder. to is udp://HOST[:PORT] or HOST[:PORT].
func Dial(ctx context.Context, to string, c Config) (*Node, error) {
	address, err := addressOf(to)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{}
	if c.Port != 0 {
		d.LocalAddr = &net.UDPAddr{Port: c.Port}
	}
	conn, err := d.DialContext(ctx, "udp", address)
	if err != nil {
		return nil, fmt.Errorf("link %q: %w", to, err)
	}
	if u, ok := conn.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(readBuffer) // the system may allow less
	}
	return New(conn, c)
}

// addressOf reads udp://HOST[:PORT] or HOST[:PORT]; an IPv6 address may stand in brackets or, without a port, alone.
func addressOf(to string) (string, error) {
	address, found := strings.CutPrefix(to, "udp://")
	if !found && strings.Contains(to, "://") || address == "" {
		return "", fmt.Errorf("link %q: want udp://HOST:PORT", to)
	}
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return net.JoinHostPort(strings.Trim(address, "[]"), DefaultPort), nil
	case port == "":
		return net.JoinHostPort(host, DefaultPort), nil
	}
	return address, nil
}

// New takes a link over which each Write is one frame and each Read gives one. The Node closes it, also if New fails; its
// Close must end a Read and a Write that are under way.
func New(link io.ReadWriteCloser, c Config) (*Node, error) {
	ring, err := wire.NewKeyring(c.Network)
	if err != nil {
		return nil, errors.Join(err, link.Close())
	}
	n := &Node{
		link: link, ring: ring, signer: ring.Verifier(), use: c.Network.Use, wildcard: c.Wildcard,
		waiters: map[ask]map[*waiter]struct{}{}, subs: map[name.Name][]*Subscription{},
		interests: make(chan interest, interestsMost),
		writing:   make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
		skew: rand.Int64N(maxSkew), misses: maxMisses,
	}
	if c.Patience > 0 {
		n.misses = int(c.Patience/askMost) + 1
	}
	if n.wildcard == 0 {
		n.wildcard = name.DefaultWildcard
	}
	if c.Tagged {
		n.netID = c.Network.NetID
	}
	go n.read()
	return n, nil
}

// ErrClosed says that the Node, the Subscription or the Watermark was closed, or that the link came to its end.
var ErrClosed = errors.New("closed")

// Close ends the node's goroutines, its subscriptions and its link, and waits for them. It may be called more than once.
func (n *Node) Close() error {
	n.mu.Lock()
	first := !n.closed
	n.closed = true
	n.mu.Unlock()
	var err error
	if first {
		close(n.closing)
		err = n.link.Close()
	}
	<-n.done
	n.pumps.Wait()
	return err
}

// Stats counts the frames that came in, and those that were dropped because they did not parse or verify.
func (n *Node) Stats() (received, dropped uint64) { return n.received.Load(), n.dropped.Load() }

// read takes frames from the link until it is closed. A link that gives an error (a UDP port that nobody listens on answers so) is
// read again: the forwarder may come back.
func (n *Node) read() {
	defer close(n.done)
	v := n.ring.Verifier()
	buf := make([]byte, wire.MaxFrame+1)
	for pause := readAgain; ; {
		size, err := n.link.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe):
			return
		case err == nil:
			pause = readAgain
			n.take(v, buf[:size])
		default:
			n.note(err)
			if !n.rest(pause) {
				return
			}
			pause = min(2*pause, readAgainMost)
		}
	}
}

// A link that fails at once does not spin: its reader rests, longer each time.
const (
	readAgain     = 10 * time.Millisecond
	readAgainMost = time.Second
)

// rest waits; false: the node is being closed.
func (n *Node) rest(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-n.closing:
		return false
	case <-timer.C:
		return true
	}
}

// take checks a frame and hands on a copy, since the bytes are the reader's.
func (n *Node) take(v *wire.Verifier, raw []byte) {
	var f wire.Frame
	if f.Parse(raw) != 0 {
		n.dropped.Add(1)
		return
	}
	if _, why := v.Verify(&f); why != 0 {
		n.dropped.Add(1)
		return
	}
	n.received.Add(1)
	n.note(nil)
	switch f.Type {
	case wire.Content:
		n.content(contentOf(&f))
	case wire.Interest:
		n.asked(&f)
	case wire.Return:
		n.returned(ask{f.Name, f.Seq}, wire.ReturnedOf(f.Payload))
	}
}

// content hands a Content to who waits for it. Subscriptions have it before the waiters: a number that was asked for is then in
// its place when the wait ends.
func (n *Node) content(c Content) {
	n.mu.Lock()
	how := n.recent.answer(ask{c.Name, c.Seq}, c.Received)
	subs, wild := n.subs[c.Name], n.wild
	n.mu.Unlock()
	for _, s := range subs {
		s.heard(c, how)
	}
	for _, s := range wild {
		if n.matches(s.name, c.Name) {
			s.heardWild(c)
		}
	}
	n.answer(c, how)
}

// returned hands an Interest Return to who sent the Interest.
func (n *Node) returned(a ask, r wire.Returned) {
	if r.Reason == 0 || r.Reason >= wire.ReturnHello {
		return
	}
	n.mu.Lock()
	subs, wild := n.subs[a.name], n.wild
	n.mu.Unlock()
	for _, s := range subs {
		s.returned(a, r)
	}
	for _, s := range wild {
		if s.name == a.name {
			s.returned(a, r)
		}
	}
	n.giveBack(a, r)
}

// matches tells whether a wildcard name matches another: the wildcard stands for one byte that is not 0, at levels 1 to 5 (P-5).
func (n *Node) matches(pattern, nm name.Name) bool {
	for i, b := range pattern {
		switch {
		case i > 0 && b == n.wildcard && nm[i] != 0:
		case b != nm[i]:
			return false
		}
	}
	return true
}

// maxSkew bounds how far, in ms, a node's timestamps are behind its clock. Two nodes that ask for one name in the same ms would
// have equal Interests, and a forwarder takes the second for a replay of the first from another address (P-11): so each node is
// late by an amount of its own. A forwarder's window for clocks is minutes (P-4).
const maxSkew = 500

// stamp is the Unix time in ms, made to differ from the one before: a retry must not look like a repetition (P-2a). The caller
// holds mu.
func (n *Node) stamp() int64 {
	n.lastMS = max(n.lastMS+1, time.Now().UnixMilli()-n.skew)
	return n.lastMS
}

// nextStamp is a bound: no Interest made from now on has a lower timestamp.
func (n *Node) nextStamp() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lastMS + 1
}

// sendInterest sends an Interest made now. A waiter, if given, is told the timestamp, by which it knows Returns for it.
func (n *Node) sendInterest(a ask, ttl uint8, expiry time.Duration, w *waiter) error {
	n.mu.Lock()
	ms := n.stamp()
	if w != nil {
		w.sent(ms)
	}
	if a.seq != wire.SeqNewest && a.seq != wire.SeqSubscribe {
		n.recent.ask(a, time.Now())
	}
	n.mu.Unlock()
	seconds := (expiry + time.Second - 1) / time.Second
	asked := wire.MakeAsked(ms, uint16(min(max(seconds, 0), 0xFFFF)))
	err := n.send(wire.Header{Name: a.name, Seq: a.seq, Type: wire.Interest, TTL: ttl}, asked[:])
	if passing(err) {
		return nil // the Interest is lost like any other, and sent again
	}
	return err
}

// send builds, signs and writes a frame.
func (n *Node) send(h wire.Header, payload []byte) error {
	select {
	case n.writing <- struct{}{}:
	case <-n.closing:
		return ErrClosed
	}
	defer func() { <-n.writing }()
	h.NetID, h.KeyID = n.netID, n.use
	raw := h.Append(make([]byte, 0, wire.MinFrame+wire.NetIDSize+len(payload)), payload)
	if err := n.signer.Sign(0, raw); err != nil {
		return err
	}
	if n.ended() {
		return ErrClosed
	}
	_, err := n.link.Write(raw)
	if passing(err) { // on UDP it may be the answer to a frame before, and then this one was not sent
		_, err = n.link.Write(raw)
	}
	switch {
	case err == nil:
		return nil
	case n.ended():
		return ErrClosed
	}
	n.note(err)
	return fmt.Errorf("send: %w", err)
}

// ended tells whether the node was closed or its link has come to its end.
func (n *Node) ended() bool {
	select {
	case <-n.closing:
		return true
	case <-n.done:
		return true
	default:
		return false
	}
}

// passing tells whether a write failed for a cause that may pass: nobody listens at the other end now, or the network is unplugged.
func passing(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !errors.Is(err, net.ErrClosed)
}

// note keeps the link's last error for whoever asks in vain; nil: the link works.
func (n *Node) note(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failure = err
}

// linkError is the link's last error, if nothing came in since.
func (n *Node) linkError() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failure == nil {
		return nil
	}
	return fmt.Errorf("link: %w", n.failure)
}
