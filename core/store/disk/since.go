package disk

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
)

// Since gives the lowest content of k that arrived at or after wall (Unix ms); ok is false where there is none. It waits for the
// disk: call it from a goroutine that may. What is queued and not yet written is not seen.
func (s *Store) Since(ctx context.Context, k name.Key, wall int64) (ext uint64, ok bool, err error) {
	_, steps := s.clock.now()
	err = s.eachHour(ctx, func(h *hour) error {
		lag := h.lag(steps)
		if h.number > 0 && h.start+lag+2*s.cfg.hourMillis() <= wall { // all in it is older
			return nil
		}
		return seek(h, k, func(it *pebble.Iterator) error {
			for valid := it.First(); valid; valid = it.Next() {
				c, err := contentAt(it)
				if err != nil {
					return err
				}
				if ok && c.ext >= ext {
					return nil
				}
				if c.wall+lag >= wall {
					ext, ok = c.ext, true
				}
			}
			return nil
		})
	})
	return ext, ok, err
}

// eachHour calls use for each hour, the oldest first. An hour stays for as long as use takes, which must be short: whoever changes the list, the
// committer first of all, waits for it, and readers wait for them. The list may change in between.
func (s *Store) eachHour(ctx context.Context, use func(h *hour) error) error {
	step := func(from uint32) (next uint32, err error) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		i := slices.IndexFunc(s.hours, func(h *hour) bool { return h.number >= from })
		if i < 0 {
			return 0, nil
		}
		return s.hours[i].number + 1, use(s.hours[i])
	}
	for next := uint32(0); ; {
		var err error
		if next, err = step(next); err != nil || next == 0 {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// eachPinned is eachHour for what takes long: nobody waits for it but who seals, clears or removes that very hour.
func (s *Store) eachPinned(ctx context.Context, use func(h *hour) error) error {
	at := func(from uint32) *hour {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if i := slices.IndexFunc(s.hours, func(h *hour) bool { return h.number >= from }); i >= 0 {
			return s.hours[i]
		}
		return nil
	}
	pinned := func(h *hour) error {
		h.sealing.Lock()
		defer h.sealing.Unlock()
		if h.gone {
			return nil
		}
		return use(h)
	}
	for h := at(0); h != nil; h = at(h.number + 1) {
		if err := errors.Join(pinned(h), ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}
