package node

import (
	"context"
	"errors"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// waiter is somebody who waits for the answer to an ask.
type waiter struct {
	n    *Node
	ask  ask
	came chan reply

	latest bool // a Return counts only for the last Interest sent, not for those before

	from, to int64 // timestamps of the first and last Interest sent for it; written by its owner, guarded by Node.mu
}

// reply is a Content or an Interest Return.
type reply struct {
	content  Content
	returned *wire.Returned
}

// replies is how many a waiter takes before it looks at them: a content and a Return for each of its latest Interests.
const replies = 8

// wait registers for the replies to an ask until forget is called.
func (n *Node) wait(a ask) *waiter {
	w := &waiter{n: n, ask: a, came: make(chan reply, replies)}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiters[a] == nil {
		n.waiters[a] = map[*waiter]struct{}{}
	}
	n.waiters[a][w] = struct{}{}
	return w
}

func (w *waiter) forget() {
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	if delete(w.n.waiters[w.ask], w); len(w.n.waiters[w.ask]) == 0 {
		delete(w.n.waiters, w.ask)
	}
}

// sent notes the timestamp of an Interest. The caller holds Node.mu.
func (w *waiter) sent(ms int64) {
	if w.from == 0 {
		w.from = ms
	}
	w.to = ms
}

// errSilent says that no answer came in time.
var errSilent = errors.New("no answer")

// next takes a reply for as long as a pause, or gives errSilent. A Return that may be overcome by asking again is an error only at
// the pause's end, unless any Return will do: a content may still come.
func (w *waiter) next(ctx context.Context, pause time.Duration, any bool) (Content, error) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	err := errSilent
	for {
		select {
		case <-ctx.Done():
			return Content{}, ctx.Err()
		case <-w.n.done:
			return Content{}, ErrClosed
		case <-timer.C:
			return Content{}, err
		case r := <-w.came:
			switch {
			case r.returned == nil:
				return r.content, nil
			case w.latest && r.returned.Asked.UnixMilli() != w.to:
				continue
			}
			err = &ReturnError{w.ask.name, w.ask.seq, r.returned.Reason, r.returned.Node}
			if any || final(r.returned.Reason) {
				return Content{}, err
			}
		}
	}
}

// answer gives a content to the waiters. One whose number somebody here asked for is no answer to who asked for the newest: it may
// be an old one.
func (n *Node) answer(c Content, how origin) {
	n.mu.Lock()
	defer n.mu.Unlock()
	offer(n.waiters[ask{c.Name, c.Seq}], reply{content: c})
	if how.mayBeNewest() {
		offer(n.waiters[ask{c.Name, wire.SeqNewest}], reply{content: c})
	}
}

// giveBack gives a Return to those whose own Interest it carries: it counts only with the bytes that were sent (P-6), and the
// timestamps of a node's Interests are all different.
func (n *Node) giveBack(a ask, r wire.Returned) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.waiters[a] {
		if ms := r.Asked.UnixMilli(); w.from != 0 && w.from <= ms && ms <= w.to {
			w.offer(reply{returned: &r})
		}
	}
}

func offer(to map[*waiter]struct{}, r reply) {
	for w := range to {
		w.offer(r)
	}
}

// offer never blocks: a waiter that has enough does without, and asks again if it must.
func (w *waiter) offer(r reply) {
	select {
	case w.came <- r:
	default:
	}
}
