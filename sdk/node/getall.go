package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// GetAll asks for a content of every name that a wildcard name matches (P-5) and calls each with what comes, each content once,
// until the context ends, which is no error, or each gives one. seq is a number or wire.SeqNewest. Nothing says that all
// have come: a store gives 64 names at most for one Interest, and the next ones for the next, which leaves each second.
func (n *Node) GetAll(ctx context.Context, pattern name.Name, seq uint32, each func(Content) error) error {
	if seq != wire.SeqNewest {
		if err := checkSeq(seq); err != nil {
			return err
		}
	}
	s := &Subscription{
		n: n, name: pattern, closed: make(chan struct{}), work: make(chan struct{}, 1), news: make(chan struct{}, 1), wild: &crowd{},
	}
	if err := n.enlist(s); err != nil {
		return err
	}
	defer n.pumps.Done() // there is no goroutine: the caller's does the work
	defer s.Close()
	for ctx.Err() == nil {
		if err := n.sendInterest(ask{pattern, seq}, wire.MaxTTL, askExpiry, nil); err != nil {
			return err
		}
		if err := s.collect(ctx, seq, each); err != nil {
			return fmt.Errorf("get %s: %w", pattern, err)
		}
	}
	return nil
}

// askOn is when a pattern is asked for again: before its Interest expires, so that stores go on where they were.
const askOn = askExpiry / 2

// collect hands on what comes until it is time for the next Interest.
func (s *Subscription) collect(ctx context.Context, seq uint32, each func(Content) error) error {
	ctx, cancel := context.WithDeadline(ctx, time.Now().Add(askOn))
	defer cancel()
	for {
		u, err := s.Next(ctx)
		var ret *ReturnError
		switch {
		case errors.As(err, &ret) && ret.Reason != wire.ReturnRefused:
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		case seq == wire.SeqNewest || u.Seq == seq: // others are pushed to a subscription of this node
			if err := each(u.Content); err != nil {
				return err
			}
		}
	}
}
