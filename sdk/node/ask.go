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
	Payload  []byte // as it travels: Stream.Open decrypts it. It may be shared: do not change it
	TTL      uint8  // as received: 7 is an answer from the neighbour's store (P-21), less came further
	Received time.Time

	mac [wire.MACSize]byte // the same bytes have the same: what P-1 calls byte-identical
}

// contentOf copies what a frame holds.
func contentOf(f *wire.Frame) Content {
	payload := append([]byte(nil), f.Payload...)
	return Content{
		Name: f.Name, Seq: f.Seq, Payload: payload, TTL: f.TTL, Received: time.Now(), mac: [wire.MACSize]byte(f.MAC()),
	}
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
	if e.Seq == wire.SeqSubscribe {
		return fmt.Sprintf("subscription to %s: node %08x says %s", e.Name, e.Node, e.Reason)
	}
	if e.Seq == wire.SeqNewest {
		return fmt.Sprintf("newest of %s: node %08x says %s", e.Name, e.Node, e.Reason)
	}
	return fmt.Sprintf("%s number %d: node %08x says %s", e.Name, e.Seq, e.Node, e.Reason)
}

// Times of an ask.
const (
	askExpiry = 2 * time.Second        // of each Interest
	askAgain  = 300 * time.Millisecond // first pause before a retry; above the forwarders' 250 ms (P-2a)
	askMost   = 2 * time.Second        // the pause doubles up to this
)

// final tells whether asking again is in vain.
func final(why wire.ReturnReason) bool {
	return why == wire.ReturnNotHere || why == wire.ReturnRefused || why == wire.ReturnNoRoute
}

// checkSeq refuses what is no number of a content.
func checkSeq(seq uint32) error {
	if seq < wire.SeqFirst || seq > wire.SeqLast {
		return fmt.Errorf("number %d: want %d to %d", seq, wire.SeqFirst, wire.SeqLast)
	}
	return nil
}

// Get asks for a content: a number from 1 to 0xFFFFFE, or wire.SeqNewest. It asks again, with a fresh timestamp, until the
// context ends. A Return that says that the content never existed or is gone, that the asker is refused, or that there is
// no route ends it at once with a *ReturnError; congestion and the like are asked again. The error at the context's end
// wraps its cause and what the link or the last Return said.
func (n *Node) Get(ctx context.Context, nm name.Name, seq uint32) (Content, error) {
	if seq != wire.SeqNewest {
		if err := checkSeq(seq); err != nil {
			return Content{}, err
		}
	}
	w := n.wait(ask{nm, seq})
	defer w.forget()
	var last error
	for pause := askAgain; ; pause = min(2*pause, askMost) {
		if err := n.sendInterest(w.ask, wire.MaxTTL, askExpiry, w); err != nil {
			return Content{}, err
		}
		r, err := w.next(ctx, pause, false)
		var ret *ReturnError
		switch {
		case err == nil:
			return r, nil
		case errors.As(err, &ret) && final(ret.Reason), errors.Is(err, ErrClosed):
			return Content{}, err
		case ctx.Err() != nil:
			return Content{}, fmt.Errorf("get %s: %w", nm, errors.Join(ctx.Err(), last, n.linkError()))
		case ret != nil:
			last = err
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

// Times of a trace: each TTL is tried twice, so that one lost frame hides no hop.
const (
	traceAgain = 500 * time.Millisecond
	traceWait  = 1500 * time.Millisecond // for an answer to either
)

// Trace asks with TTL 0, 1, 2 … and gives who returned each, until something other than an ended TTL comes (P-18). A hop that
// does not answer within 1.5 s is left out. When nothing was heard for as long as patience, nobody is there: the trace ends.
func (n *Node) Trace(ctx context.Context, nm name.Name, patience time.Duration, each func(Hop)) error {
	silent := time.Now()
	for ttl := uint8(0); ttl <= wire.MaxTTL && time.Since(silent) < patience; ttl++ {
		hop, err := n.probe(ctx, nm, ttl, patience-time.Since(silent))
		switch {
		case errors.Is(err, errSilent):
			continue
		case err != nil:
			return err
		}
		silent = time.Now()
		if each(hop); hop.Reason != wire.ReturnTTL {
			return nil
		}
	}
	return nil
}

// probe asks with one TTL and waits no longer than most. The round trip is from the first try: it is not known which one was answered.
func (n *Node) probe(ctx context.Context, nm name.Name, ttl uint8, most time.Duration) (Hop, error) {
	w := n.wait(ask{nm, wire.SeqNewest})
	defer w.forget()
	start := time.Now()
	for _, wait := range [...]time.Duration{traceAgain, traceWait - traceAgain} {
		if err := n.sendInterest(w.ask, ttl, askExpiry, w); err != nil {
			return Hop{}, err
		}
		_, err := w.next(ctx, min(wait, most), true)
		most -= wait
		var ret *ReturnError
		switch {
		case err == nil:
			return Hop{TTL: ttl, RTT: time.Since(start)}, nil
		case errors.As(err, &ret):
			return Hop{TTL: ttl, Node: ret.Node, Reason: ret.Reason, RTT: time.Since(start)}, nil
		case !errors.Is(err, errSilent):
			return Hop{}, err
		case most <= 0:
			return Hop{}, errSilent
		}
	}
	return Hop{}, errSilent
}
