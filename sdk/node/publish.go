package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// Publish seals a payload under a number and sends it. It proves nothing: a frame may be lost; see PublishConfirmed. An error
// of the link may pass: the same payload may be published again under the same number.
func (n *Node) Publish(s *Stream, seq uint32, plain []byte) error {
	sealed, err := sealFor(s, seq, plain)
	if err != nil {
		return err
	}
	return n.send(s.header(seq), sealed)
}

// sealFor checks and seals a payload.
func sealFor(s *Stream, seq uint32, plain []byte) ([]byte, error) {
	if err := checkSeq(seq); err != nil {
		return nil, err
	}
	if err := s.fits(plain); err != nil {
		return nil, err
	}
	return s.Seal(plain, seq), nil
}

// fits refuses a payload that is too long for a frame.
func (s *Stream) fits(plain []byte) error {
	if most := wire.MaxPayload - s.Overhead(); len(plain) > most {
		return fmt.Errorf("payload of %d bytes, want at most %d with %s", len(plain), most, s.Method)
	}
	return nil
}

func (s *Stream) header(seq uint32) wire.Header {
	return wire.Header{Name: s.Name, Seq: seq, Type: wire.Content, TTL: wire.MaxTTL}
}

// ErrNotKept says that the first hop keeps the name in memory only, so there is nothing to confirm (P-13).
var ErrNotKept = errors.New("the first hop keeps this name in memory only")

// ErrConflict says that the network has another content under the number: it was used before, by this producer or a second
// one. The first stays (P-17).
var ErrConflict = errors.New("the network has another content under this number")

// Times of a confirmation.
const (
	confirmAgain = 1500 * time.Millisecond // before a publication is sent again: more than the forwarder's wait for its next sync
	refusals     = 6                       // tries that are returned before that is believed
)

// PublishConfirmed publishes and asks the number back until the first hop has stored it as its durability class promises
// (P-13). It sends the content again, byte for byte, when no answer comes, until the context ends. ErrNotKept: the class is memory.
// ErrConflict: the number was used before. *ReturnError: the first hop does not take the content.
func (n *Node) PublishConfirmed(ctx context.Context, s *Stream, seq uint32, plain []byte) error {
	sealed, err := sealFor(s, seq, plain)
	if err != nil {
		return err
	}
	return n.confirm(ctx, s, seq, sealed, func() error { return n.send(s.header(seq), sealed) })
}

// confirm publishes by a function and asks back. A Return is believed only when it comes again and again, and each time once more copies of the
// content were sent: on a bad link the Interest may have arrived where the content did not.
func (n *Node) confirm(ctx context.Context, s *Stream, seq uint32, sealed []byte, publish func() error) error {
	w := n.wait(ask{s.Name, seq})
	w.latest = true
	defer w.forget()
	for refused := 0; ; {
		for range refused + 1 {
			if err := publish(); err != nil && !passing(err) {
				return err
			}
		}
		if err := n.sendInterest(w.ask, wire.MaxTTL, askExpiry, w); err != nil {
			return err
		}
		c, err := w.next(ctx, confirmAgain, false)
		var ret *ReturnError
		switch {
		case err == nil && !bytes.Equal(c.Payload, sealed):
			return fmt.Errorf("number %d of %s: %w", seq, s.Name, ErrConflict)
		case err == nil:
			return nil
		case errors.As(err, &ret) && final(ret.Reason):
			if refused++; refused == refusals {
				return disbelief(ret)
			}
			err = n.pause(ctx, askAgain)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("number %d of %s is not confirmed: %w", seq, s.Name, errors.Join(ctx.Err(), n.linkError()))
		}
		if errors.Is(err, ErrClosed) {
			return err
		}
	}
}

// disbelief is what a Return means for a confirmation.
func disbelief(ret *ReturnError) error {
	if ret.Reason == wire.ReturnNotHere {
		return ErrNotKept
	}
	return ret
}

// pause waits unless the context or the node ends.
func (n *Node) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-n.done:
		return ErrClosed
	case <-timer.C:
		return nil
	}
}
