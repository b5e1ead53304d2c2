package store

import "github.com/zmesh/zmesh/core/name"

// handedQueue is what the Backend was given and has not told of yet, in the order of its tickets. The Backend tells of all that one sync
// made safe by the last ticket of it: a list by name would have to be made, copied and looked up, once a second for 100,000 contents at
// full rate.
type handedQueue struct {
	pages    []*handedPage // of the tickets from first to end-1
	spare    []*handedPage
	first    uint64    // ticket of the oldest, less 1: tickets begin at 1
	end      uint64    // of the next, less 1
	verdicts []verdict // that next has not come to the end of
}

// handed is a content that the Backend was given.
type handed struct {
	key name.Key
	ext uint64 // 0: it was told of by itself, or cleared
	at  pos    // where its record was then
	id  uint32 // its name's entry then
}

const handedPageSize = 512 // 16 KiB

type handedPage [handedPageSize]handed

// verdict is what the Backend said of all contents up to a ticket.
type verdict struct {
	upTo uint64
	hour uint32
	done Done
}

// push adds the content that the Backend took last.
func (q *handedQueue) push(h handed) {
	if q.end%handedPageSize == 0 {
		q.pages = append(q.pages, q.page())
	}
	*q.slot(q.end) = h
	q.end++
}

func (q *handedQueue) page() *handedPage {
	if n := len(q.spare); n > 0 {
		p := q.spare[n-1]
		q.spare = q.spare[:n-1]
		return p
	}
	return new(handedPage)
}

// slot is where the content with ticket i+1 lies.
func (q *handedQueue) slot(i uint64) *handed {
	return &q.pages[i/handedPageSize-q.first/handedPageSize][i%handedPageSize]
}

// single takes out a content that was told of by itself; ext is 0 if it is not there.
func (q *handedQueue) single(ticket uint64) (h handed) {
	if i := ticket - 1; i >= q.first && i < q.end {
		h = *q.slot(i)
		q.slot(i).ext = 0
	}
	return h
}

// clear takes out the contents of the names from low to high: what is said of them is not of what comes under the same numbers.
func (q *handedQueue) clear(low, high name.Key) {
	for i := q.first; i < q.end; i++ {
		if h := q.slot(i); h.key >= low && h.key <= high {
			h.ext = 0
		}
	}
}

// verdict notes what the Backend said of many.
func (q *handedQueue) verdict(c *Completion) {
	q.verdicts = append(q.verdicts, verdict{c.Ticket, c.Hour, c.Done})
}

// next takes out the oldest content that something was said of; its ext is 0 if it was told of by itself before, or cleared.
func (q *handedQueue) next() (h handed, v verdict, ok bool) {
	for len(q.verdicts) > 0 {
		v = q.verdicts[0]
		if q.first < min(v.upTo, q.end) {
			return q.pop(), v, true
		}
		q.verdicts = q.verdicts[:copy(q.verdicts, q.verdicts[1:])]
	}
	return h, v, false
}

// pop takes out the oldest. What a burst took is given back, but for some pages.
func (q *handedQueue) pop() handed {
	const keep = 4
	h := *q.slot(q.first)
	if (q.first+1)%handedPageSize == 0 {
		if len(q.spare) < keep {
			q.spare = append(q.spare, q.pages[0])
		}
		q.pages = q.pages[:copy(q.pages, q.pages[1:])]
	}
	q.first++
	return h
}
