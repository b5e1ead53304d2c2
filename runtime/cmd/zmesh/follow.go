package main

import (
	"context"
	"errors"
	"time"

	"github.com/zmesh/zmesh/sdk/node"
)

// commitEvery is how long a content may have been printed before the cursor says so: what a kill -9 has printed once more.
const commitEvery = 100 * time.Millisecond

// follower reads a subscription and moves its cursor, if it has one, behind what was printed.
type follower struct {
	sub  *node.Subscription
	mark *node.Cursor
	at   uint32    // behind what was printed; 0: not known yet
	due  time.Time // when it must be committed; zero: it is, or is not known
}

// next gives the next update. A position that is due is committed first, also while nothing comes: where "now" is, at first.
func (f *follower) next(ctx context.Context) (node.Update, error) {
	if f.mark == nil {
		return f.sub.Next(ctx)
	}
	for {
		if f.at == 0 {
			f.printed()
		}
		if !f.due.IsZero() && !time.Now().Before(f.due) {
			if err := f.commit(); err != nil {
				return node.Update{}, err
			}
		}
		u, err := f.await(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return u, err
		}
	}
}

// await waits for an update no longer than there is nothing else to do.
func (f *follower) await(ctx context.Context) (node.Update, error) {
	if f.at != 0 && f.due.IsZero() {
		return f.sub.Next(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, commitEvery)
	defer cancel()
	return f.sub.Next(ctx)
}

// printed notes that all that was given so far is done with.
func (f *follower) printed() {
	if f.mark == nil {
		return
	}
	if at, known := f.sub.Position(); known {
		if f.at = at; f.due.IsZero() {
			f.due = time.Now().Add(commitEvery)
		}
	}
}

// commit makes the position durable.
func (f *follower) commit() error {
	if f.mark == nil || f.due.IsZero() {
		return nil
	}
	f.due = time.Time{}
	return f.mark.Commit(f.at)
}
