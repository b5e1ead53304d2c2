package disk

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
)

// merge goes through the contents of one name in several hours, in order.
type merge struct {
	its  []*pebble.Iterator
	last uint64 // ext given last
}

func (m *merge) open(h *hour, k name.Key, from uint64) error {
	if h.db == nil {
		return nil
	}
	it, err := h.contents(k, from)
	if err != nil {
		return err
	}
	m.its = append(m.its, it)
	it.First()
	return it.Error()
}

func extOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[8:]) }

// next gives the lowest content behind the last one, valid until the next call. Hours are few: they are simply compared.
func (m *merge) next() (c content, ok bool, err error) {
	var best *pebble.Iterator
	for _, it := range m.its {
		for it.Valid() && m.last != 0 && extOf(it.Key()) <= m.last {
			it.Next()
		}
		if err := it.Error(); err != nil {
			return c, false, err
		}
		if it.Valid() && (best == nil || extOf(it.Key()) < extOf(best.Key())) {
			best = it
		}
	}
	if best == nil {
		return c, false, nil
	}
	m.last = extOf(best.Key())
	c, err = contentAt(best)
	return c, err == nil, err
}

func (m *merge) close() {
	for _, it := range m.its {
		_ = it.Close() // its error was seen by next
	}
}
