package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// read is a question of a shard.
type read struct {
	part *part
	store.Read
}

// epochsBack bounds the epochs in which an exact question is looked for: so many times may a producer have begun anew
// within the retention.
const epochsBack = 16

const epoch = uint64(1) << 24

func (s *Store) readLoop() {
	defer s.done.Done()
	for {
		select {
		case r := <-s.reads:
			c := s.answer(&r)
			r.part.tell(&c)
		case <-s.stop:
			return
		}
	}
}

func (s *Store) answer(r *read) store.Completion {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.stats.reads.Add(1)
	if r.Check != nil {
		return s.check(r)
	}
	before := s.stats.readErrors.Load()
	c := store.Completion{Done: store.DoneRead, Key: r.Key, Seq: r.Seq}
	found, ok := s.exact(r, nil)
	if !ok && r.Seq == 0 {
		found, ok = s.below(r.Key, r.Ext)
	}
	if !ok {
		c.Next = s.above(r.Key, 0) // not of what was asked: there may be older ones in front of a hole
		c.Unsure = s.closed() || s.stats.readErrors.Load() != before
		return c
	}
	c.Ext, c.Wall, c.Producer, c.Body, c.Unsafe = found.ext, found.wall, found.producer(), found.body, found.unsafe
	return c
}

// closed tells whether an hour that failed is closed at the moment.
func (s *Store) closed() bool {
	return slices.ContainsFunc(s.hours, func(h *hour) bool { return h.db == nil })
}

// check tells whether any content with the number has the same bytes (P-1).
func (s *Store) check(r *read) store.Completion {
	_, same := s.exact(r, func(c *content) bool { return bytes.Equal(c.body, r.Check) })
	c := store.Completion{Done: store.DoneCheck, Key: r.Key, Seq: r.Seq, Same: same}
	if n := len(r.Check); n >= 4 {
		c.MAC = binary.BigEndian.Uint32(r.Check[n-4:])
	}
	return c
}

// held gives the hour that has a content with that very ext, nil if there is none, and tells whether its bytes are the same. Only the
// committer calls it. Where an hour cannot be read the content counts as new: better twice than not at all. So does one with the same bytes
// in an hour that has failed: it may be what could not be made safe.
func (s *Store) held(k name.Key, ext uint64, body []byte) (in *hour, same bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, h := range s.hours {
		found, err := h.get(contentKey(k, ext), func(v []byte) error {
			c, err := parseContent(ext, v)
			same = bytes.Equal(c.body, body)
			return err
		})
		s.failed(h, err)
		if found && err == nil && !(same && h.doubtful()) {
			return h, same
		}
	}
	return nil, false
}

// exact looks for r.Ext and then for the same number in the epochs before, in the latest hour first, and gives a copy of
// the first that fits. The newest has no other epochs.
func (s *Store) exact(r *read, fits func(*content) bool) (found content, ok bool) {
	_, steps := s.clock.now()
	for range epochsBack {
		for i := len(s.hours) - 1; i >= 0 && !ok; i-- {
			_, err := s.hours[i].get(contentKey(r.Key, r.Ext), func(v []byte) error {
				c, err := parseContent(r.Ext, v)
				if err == nil && (fits == nil || fits(&c)) {
					c.body, c.wall = bytes.Clone(c.body), c.wall+s.hours[i].lag(steps)
					c.unsafe = s.hours[i].doubtful()
					found, ok = c, true
				}
				return err
			})
			s.failed(s.hours[i], err)
		}
		if ok || r.Seq == 0 || r.Ext < r.Lowest+epoch {
			return found, ok
		}
		r.Ext -= epoch
	}
	return found, ok
}

// below gives the highest content of k below ext: what is left where the newest is in an hour that was set aside.
func (s *Store) below(k name.Key, ext uint64) (best content, ok bool) {
	_, steps := s.clock.now()
	for _, h := range s.hours {
		s.failed(h, seek(h, k, func(it *pebble.Iterator) error {
			if !it.SeekLT(contentKey(k, ext)) {
				return nil
			}
			c, err := contentAt(it)
			if err == nil && (!ok || c.ext > best.ext) {
				c.body, c.wall, c.unsafe = bytes.Clone(c.body), c.wall+h.lag(steps), h.doubtful()
				best, ok = c, true
			}
			return err
		}))
	}
	return best, ok
}

// above gives the lowest ext of k that is not below ext; 0 if there is none.
func (s *Store) above(k name.Key, ext uint64) (lowest uint64) {
	for _, h := range s.hours {
		s.failed(h, seek(h, k, func(it *pebble.Iterator) error {
			if !it.SeekGE(contentKey(k, ext)) {
				return nil
			}
			c, err := contentAt(it)
			if err == nil && (lowest == 0 || c.ext < lowest) {
				lowest = c.ext
			}
			return err
		}))
	}
	return lowest
}

// seek calls use with an iterator over the contents of k in h.
func seek(h *hour, k name.Key, use func(it *pebble.Iterator) error) error {
	if h.db == nil {
		return nil
	}
	it, err := h.contents(k, 0)
	if err != nil {
		return err
	}
	err = use(it)
	return errors.Join(err, h.release(it))
}

func contentAt(it *pebble.Iterator) (content, error) {
	key := it.Key()
	if len(key) != contentKeySize {
		return content{}, errors.New("key of a content has a wrong length")
	}
	return parseContent(extOf(key), it.Value())
}

// failed reports an error of reading. Of an hour that has failed to be written not all can be read until it is opened again.
func (s *Store) failed(h *hour, err error) {
	if err == nil {
		return
	}
	s.stats.readErrors.Add(1)
	if h.db == nil || h.sealed || h.guard.failed() == nil {
		s.cfg.Event(Event{Kind: ReadFailed, Dir: h.dir, Err: err})
	}
}
