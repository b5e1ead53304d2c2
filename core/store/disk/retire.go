package disk

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// What the committer does with hours: it begins them, opens those again that failed, and removes them.

// beginHour flushes the hour that ended and begins the next.
func (s *Store) beginHour() error {
	if old := s.active; old != nil {
		// From here on it is only read. That its log can go saves time when the store is opened again.
		if err := errors.Join(old.db.Flush(), old.guard.failed()); err != nil {
			return fmt.Errorf("flush hour %s: %w", old.dir, err)
		}
	}
	h := &hour{number: s.nextNumber(), start: s.cfg.Wall()}
	h.dir = s.cfg.FS.PathJoin(s.cfg.Dir, hourName(h.number, h.start))
	if err := s.begin(h); err != nil {
		return err
	}
	s.mu.Lock()
	s.hours = append(s.hours, h)
	s.mu.Unlock()
	s.active = h
	s.cfg.Event(Event{Kind: HourOpened, Dir: h.dir})
	return s.retire()
}

// full tells whether h is so large that the next must begin before its time: else MaxBytes could not be kept by removing
// hours.
func (s *Store) full(h *hour) bool {
	const share = 8
	return s.cfg.MaxBytes > 0 && h.written > s.cfg.MaxBytes/share
}

// reopen closes the hours that failed and opens them again. While they are closed they cannot be read.
func (s *Store) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hours {
		if h != s.active && h.number != 0 || h.db != nil && h.guard.failed() == nil {
			continue
		}
		_ = h.close() // it failed; what it says now is of no use
		if err := s.shared.open(h, false); err != nil {
			return err
		}
	}
	return nil
}

// retire removes the hours that are past their retention, and the oldest ones while there are too many or the folder is
// larger than MaxBytes. The active one stays.
func (s *Store) retire() error {
	for s.mustRetire() {
		h := s.hours[1]
		if err := s.keepNewest(h); err != nil {
			return fmt.Errorf("keep the newest of hour %s: %w", h.dir, err)
		}
		s.remove(h)
		for _, p := range s.parts {
			p.tell(&store.Completion{Done: store.DoneRetired, Hour: s.oldest()})
		}
	}
	return nil
}

// mustRetire tells whether the oldest hour has to go. hours[0] is what is kept.
func (s *Store) mustRetire() bool {
	if len(s.hours) < 2 || s.hours[1] == s.active {
		return false
	}
	return s.hours[1].past(s.cfg.Wall(), s.cfg.hourMillis(), s.cfg.Retention) || len(s.hours)-1 > maxHours || s.tooLarge()
}

func (s *Store) tooLarge() bool { return s.cfg.MaxBytes > 0 && s.diskBytes() > s.cfg.MaxBytes }

// diskBytes gives the size of all hours.
func (s *Store) diskBytes() uint64 {
	total := uint64(0)
	for _, h := range s.hours {
		if h.db != nil {
			total += h.db.Metrics().DiskSpaceUsage()
		}
	}
	return total
}

// remove takes h out of the list, waits for its readers, and removes its directory.
func (s *Store) remove(h *hour) {
	s.mu.Lock()
	s.hours = slices.DeleteFunc(s.hours, func(o *hour) bool { return o == h })
	s.mu.Unlock()
	err := errors.Join(h.close(), s.cfg.FS.RemoveAll(h.dir))
	s.cfg.Event(Event{Kind: HourRetired, Dir: h.dir, Err: err})
}

// keepNewest copies the newest contents that a rule keeps from an hour that is about to go. What cannot be read of it is
// reported and lost; what cannot be written is an error, and the hour stays.
func (s *Store) keepNewest(h *hour) error {
	kept := s.hours[0]
	if kept.db == nil {
		return errBroken
	}
	batch := kept.db.NewBatch()
	defer batch.Close()
	err := h.pointers(func(k name.Key, p pointer) error {
		if !s.cfg.KeepNewest(k) {
			return nil
		}
		return s.keepOne(batch, h, k, p)
	})
	s.failed(h, err)
	if batch.Empty() {
		return kept.guard.failed()
	}
	return errors.Join(batch.Commit(pebble.Sync), kept.guard.failed())
}

// keepOne copies the newest content of k, if it is in h and in no later hour there is a newer one.
func (s *Store) keepOne(batch *pebble.Batch, h *hour, k name.Key, p pointer) error {
	for _, later := range s.hours {
		if later.number <= h.number {
			continue
		}
		newer := false
		_, err := later.get(pointerKey(k), func(v []byte) error {
			q, err := parsePointer(v)
			newer = q.newest > p.newest
			return err
		})
		if newer || err != nil {
			return err
		}
	}
	_, err := h.get(contentKey(k, p.newest), func(v []byte) error {
		var ptr [pointerSize]byte
		p.put(ptr[:])
		return errors.Join(batch.DeleteRange(contentKey(k, 0), contentKey(k+1, 0), nil),
			batch.Set(contentKey(k, p.newest), v, nil), batch.Set(pointerKey(k), ptr[:], nil))
	})
	return err
}
