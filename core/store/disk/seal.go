package disk

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// An hour that has ended is sealed: it is flushed, compacted once, and opened again for reading only. From then on it has one level of
// tables, no write-ahead log and no memtable, and its files never change. A goroutine of its own does that, so that nobody waits for it
// but an operator who closes the store: a compaction is not broken off.

// sealedName is a file in an hour that says that there is nothing more to do with it.
const sealedName = "SEALED"

func (s *Store) sealLoop() {
	defer s.done.Done()
	for {
		select {
		case <-s.stop:
			return
		case <-s.toSeal:
		}
		s.sweep()
		for s.sealNext() {
			select {
			case <-s.stop:
				return
			default:
			}
		}
	}
}

// sweep removes the directories of hours that are gone, also those of an earlier run. What cannot be removed is tried again
// with the next hour.
func (s *Store) sweep() {
	entries, err := s.cfg.FS.List(s.cfg.Dir)
	for _, e := range entries {
		if strings.HasPrefix(e, removedName) {
			err = errors.Join(err, s.cfg.FS.RemoveAll(s.cfg.FS.PathJoin(s.cfg.Dir, e)))
		}
	}
	if err != nil {
		s.cfg.Event(Event{Kind: SealFailed, Dir: s.cfg.Dir, Err: err})
	}
}

// wantSeal wakes the sealer.
func (s *Store) wantSeal() {
	select {
	case s.toSeal <- struct{}{}:
	default:
	}
}

// sealNext seals the oldest hour that waits for it; false if there is none. One that fails waits until the sealer is woken again.
func (s *Store) sealNext() (more bool) {
	h := s.unsealed()
	if h == nil {
		return false
	}
	h.sealing.Lock() // it is not removed in the meantime
	defer h.sealing.Unlock()
	if h.gone {
		return true
	}
	err := s.seal(h)
	if err != nil {
		s.cfg.Event(Event{Kind: SealFailed, Dir: h.dir, Err: err})
	}
	return err == nil
}

func (s *Store) unsealed() *hour {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, h := range s.hours {
		if h.number > 0 && h.over && !h.sealed && !h.stuck && h.db != nil && h.guard.failed() == nil {
			return h
		}
	}
	return nil
}

func (s *Store) seal(h *hour) error {
	if err := compact(h); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if h.guard.failed() != nil {
			err = errors.Join(err, s.shared.freeze(h))
		}
		return fmt.Errorf("seal hour %s: %w", h.dir, err)
	}
	if err := s.writeFile(h.dir, sealedName, ""); err != nil {
		return err
	}
	reader := &hour{dir: h.dir, sealed: true}
	if err := errors.Join(s.removeLogs(h), s.shared.open(reader, true)); err != nil {
		return errors.Join(err, reader.close()) // h can be read as it is, until this is tried again
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := h.close()
	h.db, h.guard, h.turn, h.sealed = reader.db, reader.guard, reader.turn, true
	return err
}

// removeLogs removes the logs that Pebble keeps to write over, and the last, in which there is nothing: all is flushed, and nobody writes
// any more. They would be a third of an hour's bytes.
func (s *Store) removeLogs(h *hour) error {
	entries, err := s.cfg.FS.List(h.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if isLog(e) {
			err = errors.Join(err, s.cfg.FS.Remove(s.cfg.FS.PathJoin(h.dir, e)))
		}
	}
	return err
}

// compact completes the pointers of an hour and makes one level of it.
func compact(h *hour) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(h.guard.failed(), fmt.Errorf("pebble: %v", p))
		}
	}()
	h.turn.hold(false) // the hour may have ended at full rate
	last := pointerKey(pointerKeyMax)
	if err := h.db.Compact(context.Background(), contentKey(0, 0), last, false); err != nil {
		return errors.Join(err, h.guard.failed())
	}
	if err := h.pointAll(); err != nil { // now that there is one level to look through
		return err
	}
	return errors.Join(h.db.Compact(context.Background(), pointerKey(0), last, false), h.guard.failed())
}
