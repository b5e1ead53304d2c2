package disk

import (
	"encoding/binary"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/zmesh/zmesh/core/name"
)

// merge goes through the contents of one name in several hours, in order.
type merge struct {
	runs []mergeRun
	at   int    // the run that next goes on with; -1: none
	rest uint64 // the lowest head of all others
	last uint64 // ext given last
}

// mergeRun is what one hour has.
type mergeRun struct {
	it   *pebble.Iterator
	h    *hour
	head uint64 // ext where it stands; nothing: it has come to its end
}

const nothing = math.MaxUint64

func (m *merge) open(h *hour, k name.Key, from uint64) error {
	if h.db == nil {
		return nil
	}
	it, err := h.contents(k, from)
	if err != nil {
		return err
	}
	m.runs = append(m.runs, mergeRun{it: it, h: h})
	m.at = -1
	return m.runs[len(m.runs)-1].stand(it.First())
}

// stand notes where a run stands.
func (r *mergeRun) stand(valid bool) error {
	r.head = nothing
	if valid {
		r.head = extOf(r.it.Key())
		return nil
	}
	return r.it.Error()
}

func extOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[8:]) }

// next gives the lowest content behind the last one, valid until the next call, and its hour, nil at the end. Hours hardly ever overlap,
// so the run that gave the last one is gone on with until another is lower.
func (m *merge) next() (c content, h *hour, err error) {
	if m.at >= 0 {
		if r := &m.runs[m.at]; r.head <= m.last {
			if err := r.stand(r.it.Next()); err != nil {
				return c, nil, err
			}
		}
	}
	for {
		if m.at < 0 || m.runs[m.at].head >= m.rest {
			m.choose()
		}
		r := &m.runs[m.at]
		switch {
		case r.head == nothing:
			return c, nil, nil
		case r.head > m.last || m.last == 0:
			m.last = r.head
			c, err = contentAt(r.it)
			return c, r.h, err
		}
		// The same ext in a later hour: the older one's counts, P-17.
		if err := r.stand(r.it.Next()); err != nil {
			return c, nil, err
		}
	}
}

// choose finds the run that is furthest behind, the earlier hour among equals. There is at least one.
func (m *merge) choose() {
	m.at, m.rest = 0, nothing
	for i := 1; i < len(m.runs); i++ {
		if head := m.runs[i].head; head < m.runs[m.at].head {
			m.at, m.rest = i, m.runs[m.at].head
		} else {
			m.rest = min(m.rest, head)
		}
	}
}

func (m *merge) close() {
	for i := range m.runs {
		_ = m.runs[i].h.release(m.runs[i].it) // its error was seen by next
	}
}
