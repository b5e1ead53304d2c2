package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/wire"
)

// Codec is a driver at work on one line. It stays the same when the driver's version is swapped. Run is never called by two at once.
type Codec interface {
	// Traits are what the driver declares. They do not change while the line is open.
	Traits() Traits

	// Run hands a burst of events to the driver and puts what it gives into r, an outcome for each. now is the time since the node
	// started. r does not refer to the items afterwards.
	Run(now time.Duration, items []Item, r *Result)

	// Await waits until there is a driver to run, after outcomes of drop.NoDriver. It gives false if ctx ends.
	Await(ctx context.Context) bool

	// Close frees what the driver has for this line.
	Close()
}

// Traits are what a driver declares of its links.
type Traits struct {
	MTU              int // longest frame in bytes
	Stream, Datagram bool
	Broadcast        bool          // more than one node may hear what is sent
	HalfDuplex       bool          // nothing can be sent while something comes in, nor for Turnaround after it
	Turnaround       time.Duration // also what the other end gets after each burst of ours
	DutyCycle        float64       // part of the time that may be spent sending; 0: all of it
	BitRate          int           // of the medium, bits a second; 0: sending takes no time
}

// Limit makes a face's configuration one that the driver's links allow: its MTU, and neither Returns (P-6) nor hellos (P-18) where
// more than one may hear them.
func (t *Traits) Limit(f *forward.FaceConfig) {
	if f.MTU <= 0 || f.MTU > wire.MaxFrame {
		f.MTU = wire.MaxFrame
	}
	f.MTU = min(f.MTU, t.MTU)
	if t.Broadcast {
		f.Broadcast, f.Hello = true, false
	}
}

// Fits tells why a driver cannot work on a transport; nil if it can.
func (t *Traits) Fits(on Transport) error {
	switch {
	case on != UDP && !t.Stream:
		return fmt.Errorf("its driver works on datagrams only, and %s is a stream of bytes: use the transport udp", on)
	case on == UDP && !t.Datagram:
		return errors.New("its driver works on streams of bytes only: use the transport tcp, unix or serial")
	}
	return nil
}

// airtime is how long the medium takes for n bytes.
func (t *Traits) airtime(n int) time.Duration {
	if t.BitRate <= 0 {
		return 0
	}
	return time.Duration(n) * 8 * time.Second / time.Duration(t.BitRate)
}

// Kind is what an event is.
type Kind uint8

// The kinds of events.
const (
	Received Kind = iota // bytes came in
	Send                 // a frame is to be sent
	Timer                // the time is over that the driver asked for
	Up                   // the line, or the connection of a peer, begins to work
	Down                 // it ceases to
)

// Item is one event.
type Item struct {
	Kind Kind
	Peer *Peer // never nil
	Seen int   // Received: how many of the bytes were offered before and not consumed
	Data []byte
}

// Peer is who is at the other end, as the driver sees it.
type Peer struct {
	ID   uint32 // 0: there is one only
	Kept any    // what the Codec keeps for it
}

// MaxData is how many bytes an item has at most.
const MaxData = 8192

// Frame is what the driver calls a frame.
type Frame struct {
	Data   []byte
	Signal int8 // dBm; 0: not known
}

// Outgoing is what the driver wants to be sent.
type Outgoing struct {
	Peer uint32
	Data []byte
}

// Outcome is what became of one item. Its frames and bytes are the next ones of the Result's lists.
type Outcome struct {
	Why      drop.Reason // None; or NoDriver, DriverTrap, DriverFailed: there is nothing else then
	Consumed int         // Received: how many bytes
	Damaged  int         // frames that were consumed and cannot be made
	Refused  int         // frames and bytes of the driver that cannot be
	More     bool        // Received: call again at once with what is left, of which something is consumed each time
	Frames   int
	Outgoing int
}

// Result takes what a driver gives. It is used again from call to call, so that nothing is allocated.
type Result struct {
	Outcomes []Outcome
	Frames   []Frame
	Outgoing []Outgoing
	Timer    time.Duration // 0: as it was
	buf      []byte
}

// Reset empties it.
func (r *Result) Reset() {
	r.Outcomes, r.Frames, r.Outgoing, r.Timer, r.buf = r.Outcomes[:0], r.Frames[:0], r.Outgoing[:0], 0, r.buf[:0]
}

// Keep copies bytes of the driver, which are valid until it runs again.
func (r *Result) Keep(b []byte) []byte {
	at := len(r.buf)
	r.buf = append(r.buf, b...) // where it moves, what refers to the old one stays
	return r.buf[at:len(r.buf):len(r.buf)]
}
