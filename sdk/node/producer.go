package node

import (
	"context"
	"sync"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// keptLast is how many contents a Producer keeps, to send again what was lost on the way to its forwarder.
const keptLast = 16

// Producer publishes a stream under numbers of its own (P-1). It is safe for concurrent use: contents leave in the order of
// their numbers. Interests for its name that come from the network it answers with one of its last 16 contents or, since it keeps no
// more, with Return 2: only the producer or its first hop can say that a number is gone (P-6), and without that word a
// subscriber waits long for what a crash has left out.
type Producer struct {
	node   *Node
	stream *Stream
	marks  *Watermark
	sleeps bool // its frames say so (P-8)

	order sync.Mutex // from a number to its frame's first departure

	mu     sync.Mutex
	sealed map[uint32][]byte // by number; the last keptLast
}

// NewProducer makes a producer, which answers for its name until the Node is closed or another one for the name is made. The Watermark may
// be shared by many; who opened it closes it.
func NewProducer(n *Node, s *Stream, w *Watermark) *Producer {
	p := &Producer{node: n, stream: s, marks: w, sealed: map[uint32][]byte{}}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return p
	}
	if n.producers == nil {
		n.producers = map[name.Name]*Producer{}
		n.pumps.Go(n.answerAsked)
	}
	n.producers[s.Name] = p
	return p
}

// Publish seals a payload under the next number, sends it and gives the number, also with an error once it is taken. It proves nothing: a frame may
// be lost. ErrNumbersSpent: the stream needs a new key or IV.
func (p *Producer) Publish(plain []byte) (seq uint32, err error) {
	seq, _, err = p.first(plain)
	return seq, err
}

// PublishConfirmed is Publish and then waits as [Node.PublishConfirmed] does. With an error the number is used up all the same.
func (p *Producer) PublishConfirmed(ctx context.Context, plain []byte) (seq uint32, err error) {
	seq, sealed, err := p.first(plain)
	if err != nil && !passing(err) {
		return seq, err
	}
	sent := err == nil
	return seq, p.node.confirm(ctx, p.stream, seq, sealed, func() error {
		if sent {
			sent = false
			return nil
		}
		return p.node.send(p.header(seq), sealed)
	})
}

// first takes a number and sends its content once.
func (p *Producer) first(plain []byte) (seq uint32, sealed []byte, err error) {
	p.order.Lock()
	defer p.order.Unlock()
	if seq, sealed, err = p.seal(plain); err != nil {
		return 0, nil, err
	}
	return seq, sealed, p.node.send(p.header(seq), sealed)
}

// next takes a number for a content and sends nothing.
func (p *Producer) next(plain []byte) (seq uint32, sealed []byte, err error) {
	p.order.Lock()
	defer p.order.Unlock()
	return p.seal(plain)
}

func (p *Producer) seal(plain []byte) (seq uint32, sealed []byte, err error) {
	if err := p.stream.fits(plain); err != nil {
		return 0, nil, err // before a number is spent on it
	}
	if seq, err = p.marks.Next(p.stream.Name); err != nil {
		return 0, nil, err
	}
	sealed = p.stream.Seal(plain, seq)
	p.keep(seq, sealed)
	return seq, sealed, nil
}

func (p *Producer) header(seq uint32) wire.Header {
	h := p.stream.header(seq)
	h.ProxyMe = p.sleeps
	return h
}

func (p *Producer) keep(seq uint32, sealed []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sealed[seq] = sealed
	for kept := range p.sealed {
		if distance(kept, seq) >= keptLast {
			delete(p.sealed, kept)
		}
	}
}

// find gives a content of the last: a number, or the newest.
func (p *Producer) find(seq uint32) (found uint32, sealed []byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq != wire.SeqNewest {
		sealed, ok = p.sealed[seq]
		return seq, sealed, ok
	}
	for kept := range p.sealed {
		if found == 0 || wire.Newer(kept, found) {
			found = kept
		}
	}
	sealed, ok = p.sealed[found]
	return found, sealed, ok
}

// interest is one that came from the network.
type interest struct {
	producer *Producer
	seq      uint32
	asked    wire.Asked
}

// interestsMost is how many Interests wait for an answer; more are asked again by who wants to know.
const interestsMost = 64

// asked takes an Interest from the reader. It never blocks. A node without a producer for the name answers nothing, and
// nobody answers a subscription.
func (n *Node) asked(f *wire.Frame) {
	n.mu.Lock()
	p := n.producers[f.Name]
	n.mu.Unlock()
	if p == nil || f.Seq == wire.SeqSubscribe {
		return
	}
	asked, _ := wire.AskedOf(f.Payload)
	select {
	case n.interests <- interest{p, f.Seq, asked}:
	default:
	}
}

// answerAsked answers Interests until the node ends: in a goroutine of its own, since a reader that writes could stand still with
// its link.
func (n *Node) answerAsked() {
	for {
		select {
		case <-n.done:
			return
		case i := <-n.interests:
			i.producer.answer(i)
		}
	}
}

// answer sends what there is, or Return 2 (P-6). Device nodes have no node id: 0.
func (p *Producer) answer(i interest) {
	if seq, sealed, ok := p.find(i.seq); ok {
		_ = p.node.send(p.header(seq), sealed) // a link that fails is noted; who asks asks again
		return
	}
	ret := wire.Returned{Reason: wire.ReturnNotHere, Asked: i.asked}
	h := wire.Header{Name: p.stream.Name, Seq: i.seq, Type: wire.Return, TTL: wire.MaxTTL}
	_ = p.node.send(h, ret.Append(nil))
}
