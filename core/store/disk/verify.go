package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
)

// Verified is what [Store.Verify] found in an hour.
type Verified struct {
	Number   uint32 // 0: what is kept beyond its hour
	Dir      string
	Contents int
	Bytes    int64
	Err      error // the first thing that is wrong, nil if nothing is
}

// Verify reads everything in the first hour whose number is from or higher: the checksum of each block, that keys are in order and
// frames what their keys say. check, if not nil, tells what is wrong with a body, such as its MAC. next is 0 after the last hour.
func (s *Store) Verify(ctx context.Context, from uint32, check func(k name.Key, body []byte) error) (v Verified, next uint32, err error) {
	errOnce := errors.New("one is enough")
	err = s.eachPinned(ctx, func(h *hour) error {
		switch {
		case h.number < from:
			return nil
		case next != 0:
			next = h.number
			return errOnce
		}
		v = Verified{Number: h.number, Dir: s.cfg.FS.PathBase(h.dir)}
		v.Err = h.verify(ctx, &v, check)
		next = h.number + 1
		return nil
	})
	if err == nil {
		next = 0
	}
	if errors.Is(err, errOnce) {
		err = nil
	}
	return v, next, err
}

func (h *hour) verify(ctx context.Context, v *Verified, check func(name.Key, []byte) error) error {
	if h.db == nil {
		return errors.New("it is closed at the moment, since the disk failed")
	}
	if err := h.db.CheckLevels(nil); err != nil {
		return fmt.Errorf("tables: %w", err)
	}
	it, err := h.db.NewIter(&pebble.IterOptions{UpperBound: pointerKey(0)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var c content
		if c, err = contentAt(it); err == nil {
			err = verifyContent(keyOf(it.Key()), &c, check)
		}
		v.Contents++
		v.Bytes += int64(len(c.body))
		if err == nil && v.Contents%1024 == 0 {
			err = ctx.Err()
		}
	}
	if err := errors.Join(err, it.Error(), it.Close()); err != nil {
		return err
	}
	return h.pointers(func(name.Key, pointer) error { return nil })
}

// frameHead is Content Name 6, FCTRL 1, FSEQ 3; a MAC of 4 ends the body.
const frameHead, frameMAC = name.Size + 1 + 3, 4

func verifyContent(k name.Key, c *content, check func(name.Key, []byte) error) error {
	if len(c.body) < frameHead+frameMAC {
		return fmt.Errorf("content %#x of name %s has %d bytes, which is no frame", c.ext, k.Name(), len(c.body))
	}
	n := k.Name()
	seq := binary.BigEndian.Uint32(c.body[name.Size:]) & 0xFFFFFF
	if string(c.body[:name.Size]) != string(n[:]) || uint64(seq) != c.ext&0xFFFFFF {
		return fmt.Errorf("content %#x of name %s holds number %d of name %x", c.ext, n, seq, c.body[:name.Size])
	}
	if check == nil {
		return nil
	}
	return check(k, c.body)
}

// VerifyFolder verifies a store that no node uses, hour by hour. Hours that cannot be opened are reported and left as they are.
func VerifyFolder(ctx context.Context, cfg Config, check func(k name.Key, body []byte) error, report func(Verified)) error {
	s, err := openToRead(cfg)
	if err != nil {
		return fmt.Errorf("verify store %s: %w", cfg.Dir, err)
	}
	defer func() { _ = s.release() }()
	for _, h := range s.hours {
		v := Verified{Number: h.number, Dir: s.cfg.FS.PathBase(h.dir)}
		if v.Err = s.shared.open(h, true); v.Err == nil {
			v.Err = errors.Join(h.verify(ctx, &v, check), h.close())
		}
		report(v)
	}
	return ctx.Err()
}

// openToRead finds the hours of a folder that no node uses, and opens none.
func openToRead(cfg Config) (*Store, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg}
	if !s.exists(cfg.Dir, formatName) {
		return nil, errors.New("there is no store")
	}
	s.clock.init(cfg.Wall, cfg.Mono)
	if err := s.claim(); err != nil {
		return nil, err
	}
	s.shared = newShared(&s.cfg)
	entries, err := cfg.FS.List(cfg.Dir)
	if err == nil {
		s.hours, err = s.hoursAmong(entries)
	}
	if err != nil {
		return nil, errors.Join(err, s.release())
	}
	if s.exists(s.cfg.FS.PathJoin(cfg.Dir, keptName), begunName) {
		s.hours = append([]*hour{{dir: s.cfg.FS.PathJoin(cfg.Dir, keptName)}}, s.hours...)
	}
	return s, nil
}
