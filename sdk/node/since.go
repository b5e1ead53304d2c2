package node

import (
	"context"
	"fmt"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// NumberAt tells the number of the first content of a name that was stored at a time or later; 0: there is none. Frames carry no time, so who knows is
// the store of a node: over its admin API, for example.
type NumberAt func(ctx context.Context, nm name.Name, at time.Time) (uint32, error)

// SubscribeSince opens a subscription that begins with what was stored at a time or later.
func (n *Node) SubscribeSince(ctx context.Context, nm name.Name, at time.Time, number NumberAt) (*Subscription, error) {
	seq, err := number(ctx, nm, at)
	if err != nil {
		return nil, fmt.Errorf("number of %s: %w", at.Format(time.RFC3339), err)
	}
	if seq != 0 {
		return n.Resume(nm, seq)
	}
	s, err := n.Subscribe(nm, Now, false)
	if err != nil {
		return nil, err
	}
	// Nothing is that young, or it came between the answer and where "now" was found to be. So ask once more.
	now, err := s.begun(ctx)
	if err == nil {
		seq, err = number(ctx, nm, at)
	}
	switch {
	case err != nil:
		s.Close()
		return nil, fmt.Errorf("number of %s: %w", at.Format(time.RFC3339), err)
	case seq == 0 || now != 0 && !wire.Newer(now, seq):
		return s, nil
	}
	s.Close()
	return n.Resume(nm, seq)
}

// begun waits until it is known where the stream begins; 0: with what comes first, or it has not been found out for a while.
func (s *Subscription) begun(ctx context.Context) (position uint32, err error) {
	for end := time.Now().Add(2 * baseWait); ; {
		s.mu.Lock()
		asking := s.base != nil
		s.mu.Unlock()
		if !asking || time.Now().After(end) {
			at, _ := s.Position()
			return at, nil
		}
		if err := s.n.pause(ctx, askAgain/10); err != nil {
			return 0, err
		}
	}
}
