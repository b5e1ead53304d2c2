package disk

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
)

// Clear begins to remove all contents of the names from low to high: those that were queued before it is called, and none that is queued
// later. So call it while no shard can put, after [store.Shard.Clear] of each; the function that it gives waits until it is done.
func (s *Store) Clear(low, high name.Key) (wait func(context.Context) error) {
	done := make(chan error, 1)
	if !s.queue.clear(clearing{low: low, high: high, done: done}) {
		done <- errors.New("the store is being closed")
	}
	return func(ctx context.Context) error {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// clear removes a range of names from every hour. Sealed hours are opened for it, and sealed again, which gives back the room.
func (c *committer) clear(cl *clearing) error {
	if c.retryAt != nil {
		return errBroken
	}
	for _, h := range c.s.hours {
		if err := c.s.clearHour(h, cl); err != nil {
			c.broken(err)
			return fmt.Errorf("clear hour %s: %w", h.dir, err)
		}
	}
	c.s.wantSeal()
	return nil
}

func (s *Store) clearHour(h *hour, cl *clearing) error {
	h.sealing.Lock()
	defer h.sealing.Unlock()
	if err := s.unseal(h); err != nil {
		return err
	}
	if h.db == nil || h.stuck {
		return errBroken
	}
	return errors.Join(
		h.db.DeleteRange(contentKey(cl.low, 0), contentKey(cl.high+1, 0), pebble.NoSync),
		h.db.DeleteRange(pointerKey(cl.low), pointerKey(cl.high+1), pebble.Sync),
		h.guard.failed())
}

// unseal opens a sealed hour for writing.
func (s *Store) unseal(h *hour) error {
	if !h.sealed {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.cfg.FS.Remove(s.cfg.FS.PathJoin(h.dir, sealedName)), s.syncDir(h.dir)); err != nil {
		return err
	}
	h.sealed = false
	return errors.Join(h.close(), s.shared.openFor(h))
}
