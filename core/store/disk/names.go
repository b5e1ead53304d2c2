package disk

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
)

// Held is what the disk holds of a name.
type Held struct {
	Key      name.Key
	Highest  uint64 // ext of its highest number
	Contents int
	Bytes    int64 // of their bodies
	First    int64 // earliest and latest arrival, Unix ms
	Last     int64
}

// Add counts a content in.
func (h *Held) Add(ext uint64, arrived int64, bytes int) {
	if h.Contents == 0 || arrived < h.First {
		h.First = arrived
	}
	h.Highest, h.Last = max(h.Highest, ext), max(h.Last, arrived)
	h.Contents++
	h.Bytes += int64(bytes)
}

// Names gives at most limit names from low on up to high, in order, with what arrived of each at or after since(name), Unix ms. It
// reads every content of theirs and waits for the disk: call it from a goroutine that may. What is queued and not yet written is not seen.
func (s *Store) Names(ctx context.Context, low, high name.Key, limit int, since func(name.Key) int64) (list []Held, err error) {
	for len(list) < limit && low <= high {
		k, ok, err := s.nextName(ctx, low)
		if err != nil || !ok || k > high {
			return list, err
		}
		held := Held{Key: k}
		if err := s.weigh(ctx, &held, since(k)); err != nil {
			return list, err
		}
		if held.Contents > 0 {
			list = append(list, held)
		}
		low = k + 1
	}
	return list, nil
}

// nextName gives the first name from low on that any hour holds.
func (s *Store) nextName(ctx context.Context, low name.Key) (next name.Key, ok bool, err error) {
	err = s.eachHour(ctx, func(h *hour) error {
		if h.db == nil {
			return nil
		}
		it, err := h.span(contentKey(low, 0), pointerKey(0))
		if err != nil {
			return err
		}
		if it.First() {
			if k := keyOf(it.Key()); !ok || k < next {
				next, ok = k, true
			}
		}
		return h.release(it)
	})
	return next, ok, err
}

func (s *Store) weigh(ctx context.Context, held *Held, since int64) error {
	_, steps := s.clock.now()
	return s.eachHour(ctx, func(h *hour) error {
		return seek(h, held.Key, func(it *pebble.Iterator) error {
			for ok := it.First(); ok; ok = it.Next() {
				c, err := contentAt(it)
				if err != nil {
					return err
				}
				if lag := h.lag(steps); c.wall+lag >= since {
					held.Add(c.ext, c.wall+lag, len(c.body))
				}
			}
			return nil
		})
	})
}
