package driver

import (
	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
)

// session is what one goroutine needs to run the driver, and to hand over the frames that it makes.
type session struct {
	line  *Line
	in    *forward.Ingress
	items []Item
	peers []*peer // of the items
	res   Result
	now   forward.Now
	from  *peer               // whose frame is being looked at, for link
	link  func() forward.Link // as a value made once
}

func (l *Line) session() *session {
	s := &session{line: l, in: l.Lines.cfg.Node.Ingress()}
	s.link = func() forward.Link { return s.from }
	return s
}

// begin starts a burst of events.
func (s *session) begin() { s.items, s.peers = s.items[:0], s.peers[:0] }

func (s *session) add(kind Kind, p *peer, seen int, data []byte) {
	s.items = append(s.items, Item{Kind: kind, Peer: &p.Peer, Seen: seen, Data: data})
	s.peers = append(s.peers, p)
}

// run hands the burst to the driver.
func (s *session) run() {
	l := s.line
	s.now = l.Lines.cfg.Clock()
	l.coding.Lock()
	l.cfg.Codec.Run(s.now.Mono, s.items, &s.res)
	l.coding.Unlock()
	l.count.calls.Add(1)
	if s.res.Timer > 0 {
		l.rearm(s.res.Timer)
	}
}

// handle runs the driver for one event without data.
func (s *session) handle(kind Kind, p *peer) {
	s.begin()
	s.add(kind, p, 0, nil)
	s.run()
	s.settle()
}

// settle passes on what the driver gave, frames to the node and bytes to the outlets, and counts the rest.
func (s *session) settle() {
	s.in.Begin(s.now)
	frames, out := s.res.Frames, s.res.Outgoing
	for k := range s.res.Outcomes {
		o, p := &s.res.Outcomes[k], s.peers[k]
		p.tally(o)
		for i := range frames[:o.Frames] {
			s.take(p, &frames[i])
		}
		for i := range out[:o.Outgoing] {
			s.line.reply(p, &out[i])
		}
		frames, out = frames[o.Frames:], out[o.Outgoing:]
	}
	s.in.Run()
}

// tally counts what was lost of an item.
func (p *peer) tally(o *Outcome) {
	if o.Why != drop.None {
		p.drop(o.Why, 1)
	}
	if o.Why == drop.NoDriver {
		p.line.stall()
	}
	p.drop(drop.Framing, o.Damaged)
	p.drop(drop.DriverFailed, o.Refused)
}

// take hands one frame to the node; of a peer that is not a face yet it makes one (P-11).
func (s *session) take(p *peer, frame *Frame) {
	if f := p.face.Load(); f != nil {
		signal := forward.SignalUnknown
		if frame.Signal != 0 {
			signal = int16(frame.Signal)
		}
		s.in.AddHeard(f, frame.Data, signal)
		return
	}
	l := s.line.cfg.Listener
	if l == nil || p.source == 0 { // of nobody
		p.drop(drop.DriverFailed, 1)
		return
	}
	s.from = p
	if f := s.in.Unknown(l, forward.Peer{Source: p.source, Address: p.address, Link: s.link}, frame.Data); f != nil {
		p.face.Store(f)
	}
}

// reply queues bytes of the driver for any peer of the line.
func (l *Line) reply(of *peer, out *Outgoing) {
	p := l.peerOf(out.Peer)
	switch {
	case p == nil:
		of.drop(drop.DriverFailed, 1)
	case !p.out.sendRaw(p, out.Data):
		p.drop(p.out.refusal(), 1)
	}
}
