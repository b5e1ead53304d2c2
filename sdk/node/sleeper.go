package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Times of a device that sleeps.
const (
	listenFor  = 50 * time.Millisecond // after each frame, as forwarders know (P-8)
	pullExpiry = time.Second           // of the Interests for commands: what comes too late for this wake is in the first hop's store at the next
)

// unconfirmedMost is how many readings a Sleeper keeps until they are confirmed.
const unconfirmedMost = 1024

// SleeperConfig is what a Sleeper needs.
type SleeperConfig struct {
	Readings *Stream
	Marks    *Watermark // of the readings' numbers
	Commands name.Name  // of the contents that are this device's commands
	Cursor   *Cursor    // how far it has come in them; the first command is number 1

	// Handle gets each command in order, or the range of those that are gone, and returns when its work is done: then the cursor moves. An error ends
	// the wake, and the command comes again at the next.
	Handle func(Update) error
}

// Sleeper is a device that is awake for moments only, at a face of its forwarder with proxy = true (P-8). In each it sends a reading, which says by the
// ProxyMe bit that it will sleep; what the forwarder holds for it comes at once. Then it asks for its next command, until there is none. It listens
// for 50 ms after the last frame.
//
// Readings are kept and sent again at the next wake until the forwarder has confirmed them (P-13); those that are not are lost with the process. In a name of class
// memory nothing is confirmed, and each is sent in six wakes.
type Sleeper struct {
	node *Node
	c    SleeperConfig
	p    *Producer // of the readings: it answers what was held
	open []reading // that are not confirmed, oldest first
	next uint32    // command
	last time.Time // when a frame was sent

	dropped uint64
}

// reading is one that was sent, or is to be.
type reading struct {
	seq     uint32
	sealed  []byte
	refused int // Returns: in class memory nothing else comes
}

// NewSleeper makes one. Who opened the Watermark and the Cursor closes them.
func NewSleeper(n *Node, c SleeperConfig) *Sleeper {
	next, ok := c.Cursor.Position()
	if !ok {
		next = wire.SeqFirst
	}
	p := NewProducer(n, c.Readings, c.Marks)
	p.sleeps = true
	return &Sleeper{node: n, c: c, p: p, next: next}
}

// Unconfirmed is how many readings will be sent again. Dropped counts those that were given up, since more than 1,024 waited.
func (s *Sleeper) Unconfirmed() (waiting int, dropped uint64) { return len(s.open), s.dropped }

// Wake sends a reading and fetches commands, and returns when the device may sleep again: 50 ms after the last frame, or when the context ends, which is no
// error. One goroutine may call it at a time.
func (s *Sleeper) Wake(ctx context.Context, plain []byte) error {
	if err := s.take(plain); err != nil {
		return err
	}
	if err := s.report(ctx); err != nil {
		return err
	}
	if err := s.pull(ctx); err != nil {
		return err
	}
	if err := s.node.pause(ctx, time.Until(s.last.Add(listenFor))); errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

// take seals a reading under the next number.
func (s *Sleeper) take(plain []byte) error {
	seq, sealed, err := s.p.next(plain)
	if err != nil {
		return err
	}
	if len(s.open) == unconfirmedMost {
		s.open, s.dropped = s.open[1:], s.dropped+1
	}
	s.open = append(s.open, reading{seq: seq, sealed: sealed})
	return nil
}

// reportMost is how many readings go out in one wake: what has piled up must not keep the device awake.
const reportMost = 16

// report sends the readings that are not confirmed, and asks each back.
func (s *Sleeper) report(ctx context.Context) error {
	send := s.open[:min(len(s.open), reportMost)]
	waits := make([]*waiter, len(send))
	for i, r := range send {
		for range 1 + r.refused/2 { // more copies, the less it can be told whether the content was lost or is not kept
			if err := s.node.send(s.p.header(r.seq), r.sealed); err != nil && !passing(err) {
				return err
			}
		}
		s.last = time.Now()
		waits[i] = s.node.wait(ask{s.c.Readings.Name, r.seq})
		defer waits[i].forget()
		if err := s.node.sendInterest(waits[i].ask, wire.MaxTTL, pullExpiry, waits[i]); err != nil {
			return err
		}
	}
	kept := make([]reading, 0, len(s.open))
	end := s.last.Add(listenFor)
	for i, r := range send {
		done, err := s.confirmed(ctx, waits[i], &r, time.Until(end))
		if err != nil {
			return err
		}
		if !done {
			kept = append(kept, r)
		}
	}
	s.open = append(kept, s.open[len(send):]...)
	return nil
}

// confirmed waits for the answer to a reading that is asked back.
func (s *Sleeper) confirmed(ctx context.Context, w *waiter, r *reading, wait time.Duration) (done bool, err error) {
	_, err = w.next(ctx, wait, true)
	var ret *ReturnError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &ret):
		if ret.Reason == wire.ReturnNotHere {
			r.refused++
		}
		return r.refused >= refusals, nil
	case errors.Is(err, ErrClosed):
		return false, err
	}
	return false, nil
}

// pull fetches commands until there is none, or nothing comes. Those that are gone one after the other are one range.
func (s *Sleeper) pull(ctx context.Context) error {
	at, newest := s.next, Content{} // from s.next to before at all are gone; the newest is asked for once for them
	for ctx.Err() == nil {
		c, err := s.ask(ctx, at)
		if isNotHere(err) { // gone, or still to come
			if c, err = newest, nil; c.Seq == 0 || wire.Newer(at, c.Seq) {
				c, err = s.ask(ctx, wire.SeqNewest)
				newest = c
			}
		}
		switch {
		case isSilence(err), err == nil && wire.Newer(at, c.Seq):
			return s.gone(at)
		case err != nil:
			return err
		case c.Seq != at:
			at = next(at)
			continue
		}
		if err := s.gone(at); err != nil {
			return err
		}
		if err := s.handle(Update{Content: c}, at); err != nil {
			return err
		}
		at = s.next
	}
	return s.gone(at)
}

func isNotHere(err error) bool {
	var ret *ReturnError
	return errors.As(err, &ret) && ret.Reason == wire.ReturnNotHere
}

// isSilence tells of an error of ask that no more is to be had in this wake.
func isSilence(err error) bool {
	var ret *ReturnError
	return errors.As(err, &ret) || errors.Is(err, errSilent) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// ask sends one Interest and listens.
func (s *Sleeper) ask(ctx context.Context, seq uint32) (Content, error) {
	w := s.node.wait(ask{s.c.Commands, seq})
	defer w.forget()
	if err := s.node.sendInterest(w.ask, wire.MaxTTL, pullExpiry, w); err != nil {
		return Content{}, err
	}
	s.last = time.Now()
	return w.next(ctx, listenFor, true)
}

// gone says that the commands before a number are gone.
func (s *Sleeper) gone(before uint32) error {
	if before == s.next {
		return nil
	}
	to := back(before, 1)
	return s.handle(Update{Content: Content{Name: s.c.Commands}, Lost: true, From: s.next, To: to}, to)
}

// handle lets the device do its work up to a number and moves the cursor.
func (s *Sleeper) handle(u Update, seq uint32) error {
	if err := s.c.Handle(u); err != nil {
		return fmt.Errorf("command %d: %w", seq, err)
	}
	s.next = next(seq)
	return s.c.Cursor.Commit(s.next)
}
