package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// What the committer does with hours: it begins them, opens those again that failed, and removes them.

// beginHour begins the next hour. The one before is only read from here on.
func (s *Store) beginHour() error {
	wall, steps := s.clock.now()
	h := &hour{number: s.nextNumber(), start: wall, begun: steps}
	h.dir = s.cfg.FS.PathJoin(s.cfg.Dir, hourName(h.number, h.start))
	if err := s.begin(h); err != nil {
		return err
	}
	s.mu.Lock()
	s.hours = append(s.hours, h)
	if s.active != nil {
		s.active.over = true
	}
	s.mu.Unlock()
	s.active = h
	s.wantSeal()
	s.cfg.Event(Event{Kind: HourOpened, Dir: h.dir})
	return s.retire()
}

// full tells whether h is so large that the next must begin before its time: else MaxBytes could not be kept by removing
// hours.
func (s *Store) full(h *hour) bool {
	const share = 8
	return s.cfg.MaxBytes > 0 && h.written > s.cfg.MaxBytes/share
}

// reopen opens the hours that failed again: the active one, what is kept, and those that are not sealed yet. Those that
// cannot be opened for writing can still be read; the active one's error is given.
func (s *Store) reopen() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hours {
		if h.db != nil && !h.stuck && (h.sealed || h.guard.failed() == nil) || !h.sealing.TryLock() {
			continue
		}
		if failed := s.shared.openFor(h); h == s.active {
			err = failed
		}
		h.sealing.Unlock()
	}
	s.wantSeal()
	return err
}

// beginInstead begins another hour where the active one cannot be written to, for it may be this one's files alone that are bad. That is done
// for one at a time: on a disk that takes a little now and then, hours that are hardly begun must not push the others out.
func (s *Store) beginInstead() error {
	s.mu.RLock() // the sealer may open one again
	bad := 0
	for _, h := range s.hours {
		if h.number > 0 && (h.stuck || h.db == nil) {
			bad++
		}
	}
	s.mu.RUnlock()
	if bad > 1 {
		return errBroken
	}
	return s.beginHour()
}

// freeze opens the hours that failed for reading only, so that what is on the disk of them can be read until they are opened again for
// writing, and gives the active one's error. One that is being sealed is the sealer's.
func (s *Store) freeze() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hours {
		if h.db == nil || h.stuck || h.sealed || h.guard.failed() == nil {
			continue
		}
		if h == s.active {
			err = h.guard.failed()
		}
		if !h.sealing.TryLock() {
			continue
		}
		s.failed(h, s.shared.freeze(h))
		h.sealing.Unlock()
	}
	return err
}

// retire removes the hours that are past their retention, and the oldest ones while there are too many or the folder is
// larger than MaxBytes. The active one stays.
func (s *Store) retire() error {
	for {
		event, must := s.mustRetire()
		if !must {
			return nil
		}
		h := s.hours[1]
		if err := s.keepNewest(h); err != nil {
			return fmt.Errorf("keep the newest of hour %s: %w", h.dir, err)
		}
		s.remove(h, event)
		for _, p := range s.parts {
			p.tell(&store.Completion{Done: store.DoneRetired, Hour: s.oldest()})
		}
	}
}

// mustRetire tells whether the oldest hour has to go, and what that is called. hours[0] is what is kept.
func (s *Store) mustRetire() (e EventKind, must bool) {
	if len(s.hours) < 2 || s.hours[1] == s.active {
		return 0, false
	}
	wall, steps := s.clock.now()
	past := s.hours[1].past(wall, steps, s.cfg.hourMillis(), s.cfg.Retention)
	switch {
	case past && s.clock.trusted():
		return HourRetired, true
	case len(s.hours)-1 > maxHours || s.tooLarge():
		if past {
			return HourRetired, true
		}
		return HourDropped, true
	}
	return 0, false
}

func (s *Store) tooLarge() bool {
	if s.cfg.MaxBytes == 0 {
		return false
	}
	s.mu.RLock() // the sealer may open one again
	defer s.mu.RUnlock()
	return s.diskBytes() > s.cfg.MaxBytes
}

// diskBytes gives the size of all hours. Store.mu is held.
func (s *Store) diskBytes() uint64 {
	total := uint64(0)
	for _, h := range s.hours {
		if h.db != nil {
			total += h.db.Metrics().DiskSpaceUsage()
		}
	}
	return total
}

// remove takes h out of the list, waits for its readers, and renames its directory. The sealer gives its room back: to unlink the files of
// an hour takes a flash card so long that contents would have to wait.
func (s *Store) remove(h *hour, event EventKind) {
	h.sealing.Lock()
	defer h.sealing.Unlock()
	h.gone = true
	s.mu.Lock()
	s.hours = slices.DeleteFunc(s.hours, func(o *hour) bool { return o == h })
	s.mu.Unlock()
	fs := s.cfg.FS
	err := errors.Join(h.close(), fs.Rename(h.dir, fs.PathJoin(s.cfg.Dir, removedName+fs.PathBase(h.dir))))
	s.wantSeal()
	if event == HourDropped {
		s.stats.dropped.Add(1)
	}
	s.cfg.Event(Event{Kind: event, Dir: h.dir, Err: err})
}

// keepNewest copies the newest contents that a rule keeps from an hour that is about to go. What cannot be read of it is
// reported and lost; what cannot be written is an error, and the hour stays.
func (s *Store) keepNewest(h *hour) error {
	s.mu.RLock() // the sealer may open one again
	defer s.mu.RUnlock()
	kept := s.hours[0]
	if kept.db == nil || kept.stuck {
		return errBroken
	}
	batch := kept.db.NewBatch()
	defer batch.Close()
	err := h.newest(func(k name.Key, p pointer) error {
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
		q, found, err := later.newestOf(k)
		if found && q.newest > p.newest || err != nil {
			return err
		}
	}
	_, err := h.get(contentKey(k, p.newest), func(v []byte) error {
		c, err := parseContent(p.newest, v)
		if err != nil {
			return err
		}
		_, steps := s.clock.now()
		v = bytes.Clone(v)
		p.wall = c.wall + h.lag(steps)
		binary.BigEndian.PutUint64(v, uint64(p.wall))
		var ptr [pointerSize]byte
		p.put(ptr[:])
		return errors.Join(batch.DeleteRange(contentKey(k, 0), contentKey(k+1, 0), nil),
			batch.Set(contentKey(k, p.newest), v, nil), batch.Set(pointerKey(k), ptr[:], nil))
	})
	return err
}
