package disk

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
)

// Which content of a name is the newest, hour by hour. While an hour is written to, the highest number of a name in it is the newest,
// but for contents that were not when they came (flagNotNewest): with those a pointer to the one that was is written. When
// the hour is sealed every name gets its pointer, so that they can be read without the contents.

// newest calls use for each name in h with the newest content that h knows of, which may lie in an hour before. A name may come twice:
// the higher one counts.
func (h *hour) newest(use func(k name.Key, p pointer) error) error {
	if h.db == nil {
		return nil
	}
	err := h.pointers(use)
	if err == nil && !h.sealed && !h.allPointers {
		err = h.derive(use)
	}
	if err != nil {
		return fmt.Errorf("read hour %s: %w", h.dir, err)
	}
	return nil
}

// pointers calls use for each pointer that was written, in the order of names.
func (h *hour) pointers(use func(k name.Key, p pointer) error) error {
	it, err := h.db.NewIter(&pebble.IterOptions{LowerBound: pointerKey(0)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = usePointer(it, use)
	}
	return errors.Join(err, it.Close())
}

func usePointer(it *pebble.Iterator, use func(k name.Key, p pointer) error) error {
	k, err := parsePointerKey(it.Key())
	if err != nil {
		return err
	}
	p, err := parsePointer(it.Value())
	if err != nil {
		return err
	}
	return use(k, p)
}

// derive calls use for the highest content of each name that was the newest, from the last name to the first: one step for each.
func (h *hour) derive(use func(k name.Key, p pointer) error) error {
	it, err := h.db.NewIter(&pebble.IterOptions{UpperBound: pointerKey(0)})
	if err != nil {
		return err
	}
	for ok := it.Last(); ok && err == nil; {
		var c content
		if c, err = contentAt(it); err != nil {
			break
		}
		k := keyOf(it.Key())
		if c.flags&flagNotNewest != 0 {
			ok = it.Prev()
			continue
		}
		err = use(k, c.pointer())
		ok = it.SeekLT(contentKey(k, 0))
	}
	return errors.Join(err, it.Close())
}

func keyOf(key []byte) name.Key { return name.Key(binary.BigEndian.Uint64(key)) }

// newestOf gives the newest content of k that h knows of.
func (h *hour) newestOf(k name.Key) (p pointer, found bool, err error) {
	found, err = h.get(pointerKey(k), func(v []byte) (err error) {
		p, err = parsePointer(v)
		return err
	})
	if err != nil || h.sealed || h.allPointers {
		return p, found, err
	}
	err = seek(h, k, func(it *pebble.Iterator) error {
		for ok := it.Last(); ok; ok = it.Prev() {
			c, err := contentAt(it)
			if err != nil {
				return err
			}
			if c.flags&flagNotNewest != 0 {
				continue
			}
			if !found || c.ext > p.newest {
				p, found = c.pointer(), true
			}
			return nil
		}
		return nil
	})
	return p, found, err
}

// pointAll writes the pointers that an hour lacks which is about to be sealed.
func (h *hour) pointAll() error {
	if h.allPointers {
		return nil
	}
	batch := h.db.NewBatch()
	defer func() { _ = batch.Close() }()
	err := h.derive(func(k name.Key, p pointer) error {
		higher := false
		_, err := h.get(pointerKey(k), func(v []byte) error {
			old, err := parsePointer(v)
			higher = old.newest > p.newest
			return err
		})
		if err != nil || higher {
			return err
		}
		var value [pointerSize]byte
		p.put(value[:])
		if err := batch.Set(pointerKey(k), value[:], nil); err != nil || batch.Len() < maxPointerBatch {
			return err
		}
		err = errors.Join(batch.Commit(pebble.NoSync), batch.Close())
		batch = h.db.NewBatch()
		return err
	})
	return errors.Join(err, batch.Commit(pebble.NoSync), h.guard.failed())
}

const maxPointerBatch = 64 << 10
