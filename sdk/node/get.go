package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Content is what a name and a number stand for.
type Content struct {
	Name     name.Name
	Seq      uint32
	Payload  []byte // as it travels: Stream.Open decrypts it
	TTL      uint8  // as received: 7 is an answer from the neighbour's store (P-21), less came further
	Received time.Time
}

func contentOf(f *wire.Frame) Content {
	return Content{Name: f.Name, Seq: f.Seq, Payload: f.Payload, TTL: f.TTL, Received: time.Now()}
}

// ReturnError is an Interest Return that ended an ask (P-6).
type ReturnError struct {
	Name   name.Name
	Seq    uint32
	Reason wire.ReturnReason
	Node   uint32 // who returned it
}

// Error implements error.
func (e *ReturnError) Error() string {
	return fmt.Sprintf("%s number %d: node %08x says %s", e.Name, e.Seq, e.Node, e.Reason)
}

// Times of an ask.
const (
	askExpiry = 2 * time.Second        // of each Interest
	askAgain  = 300 * time.Millisecond // first pause before a retry; above the forwarders' 250 ms (P-2a)
	askMost   = 2 * time.Second        // the pause doubles up to this
)

// Get asks for a content: a number from 1 to 0xFFFFFE, or wire.SeqNewest. It asks again, with a fresh timestamp, until the
// context ends. A Return that says that the content never existed or is gone, that the asker is refused, or that there is
// no route ends it at once with a *ReturnError; congestion and the like are asked again.
func (n *Node) Get(ctx context.Context, nm name.Name, seq uint32) (Content, error) {
	a := ask{nm, seq}
	ch, forget := n.wait(a)
	defer forget()
	var last error
	for pause := askAgain; ; pause = min(2*pause, askMost) {
		if _, err := n.sendInterest(a, wire.MaxTTL, askExpiry); err != nil {
			return Content{}, err
		}
		c, err, again := n.await(ctx, ch, pause, final)
		if !again {
			return c, err
		}
		if err != nil {
			last = err
		}
		if ctx.Err() != nil {
			return Content{}, errors.Join(ctx.Err(), last, n.linkError())
		}
	}
}

// await takes replies for as long as a pause; a Return with a reason that ends says so. again tells that the ask may be
// repeated.
func (n *Node) await(ctx context.Context, ch chan reply, pause time.Duration, ends func(wire.ReturnReason) bool) (c Content, err error, again bool) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return c, err, true
		case <-n.done:
			return c, ErrClosed, false
		case <-timer.C:
			return c, err, true
		case r := <-ch:
			if r.returned == nil {
				return contentOf(&r.frame), nil, false
			}
			err = &ReturnError{r.frame.Name, r.frame.Seq, r.returned.Reason, r.returned.Node}
			if ends(r.returned.Reason) {
				return c, err, false
			}
		}
	}
}

// final tells whether asking again is in vain.
func final(why wire.ReturnReason) bool {
	return why == wire.ReturnNotHere || why == wire.ReturnRefused || why == wire.ReturnNoRoute
}

func anyReason(wire.ReturnReason) bool { return true }

func (n *Node) linkError() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failure
}

// Publish seals a payload under a number and sends it. It proves nothing: a frame may be lost. See Confirm.
func (n *Node) Publish(s *Stream, seq uint32, plain []byte) error {
	if seq < wire.SeqFirst || seq > wire.SeqLast {
		return fmt.Errorf("number %d: want 1 to %d", seq, wire.SeqLast)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.send(wire.Header{Name: s.Name, Seq: seq, Type: wire.Content, TTL: wire.MaxTTL}, s.Seal(plain, seq))
}

// ErrNotKept says that the first hop keeps the name in memory only, so there is nothing to confirm (P-13).
var ErrNotKept = errors.New("the first hop keeps this name in memory only")

// confirmAgain is the pause before a publication is sent again: more than the forwarder's wait for its next sync.
const confirmAgain = 1500 * time.Millisecond

// PublishConfirmed publishes and asks the number back until the first hop has stored it as its durability class promises
// (P-13). It sends the content again, byte for byte, when no answer comes. ErrNotKept: the class is memory.
func (n *Node) PublishConfirmed(ctx context.Context, s *Stream, seq uint32, plain []byte) error {
	a := ask{s.Name, seq}
	ch, forget := n.wait(a)
	defer forget()
	for {
		if err := n.Publish(s, seq, plain); err != nil {
			return err
		}
		if _, err := n.sendInterest(a, wire.MaxTTL, askExpiry); err != nil {
			return err
		}
		_, err, again := n.await(ctx, ch, confirmAgain, final)
		var ret *ReturnError
		switch {
		case !again && errors.As(err, &ret) && ret.Reason == wire.ReturnNotHere:
			return ErrNotKept
		case !again:
			return err
		case ctx.Err() != nil:
			return errors.Join(fmt.Errorf("number %d of %s is not confirmed", seq, s.Name), ctx.Err(), err, n.linkError())
		}
	}
}

// Hop is a forwarder on the way to a name, or what answered in its place.
type Hop struct {
	TTL    uint8
	Node   uint32            // 0: a content came
	Reason wire.ReturnReason // 0: a content came
	RTT    time.Duration
}

// Trace asks with TTL 0, 1, 2 … and gives who returned each, until something other than an ended TTL comes (P-18). A hop that
// does not answer within its time is left out.
func (n *Node) Trace(ctx context.Context, nm name.Name, each func(Hop)) error {
	a := ask{nm, wire.SeqNewest}
	ch, forget := n.wait(a)
	defer forget()
	for ttl := uint8(0); ttl <= wire.MaxTTL; ttl++ {
		start := time.Now()
		if _, err := n.sendInterest(a, ttl, askExpiry); err != nil {
			return err
		}
		_, err, again := n.await(ctx, ch, askExpiry, anyReason)
		var ret *ReturnError
		switch {
		case errors.As(err, &ret):
			each(Hop{TTL: ttl, Node: ret.Node, Reason: ret.Reason, RTT: time.Since(start)})
			if ret.Reason != wire.ReturnTTL {
				return nil
			}
		case !again && err == nil:
			each(Hop{TTL: ttl, RTT: time.Since(start)})
			return nil
		case !again:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
	return nil
}
