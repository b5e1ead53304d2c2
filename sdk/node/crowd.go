package node

// crowd is what a wildcard subscription has heard of its names: contents in the order in which they came, each once. It is
// bounded: who is too slow misses the oldest, and is told how many.
type crowd struct {
	queue  []Content
	missed uint64

	// Two generations of what was heard, so that a copy is known for as long as seenMost contents at least.
	now, before map[heardOnce]struct{}
}

// heardOnce knows a content by its number and bytes: a new epoch has the numbers again (P-1).
type heardOnce struct {
	ask
	mac [4]byte
}

const (
	crowdMost = 256  // contents that wait for Next
	seenMost  = 4096 // in a generation
)

// add takes a content that was not heard before.
func (w *crowd) add(c Content) {
	key := heardOnce{ask{c.Name, c.Seq}, c.mac}
	if _, had := w.now[key]; had {
		return
	}
	if _, had := w.before[key]; had {
		return
	}
	if w.now == nil || len(w.now) == seenMost {
		w.before, w.now = w.now, map[heardOnce]struct{}{}
	}
	w.now[key] = struct{}{}
	if len(w.queue) == crowdMost {
		w.queue[0] = Content{}
		w.queue = w.queue[1:]
		w.missed++
	}
	w.queue = append(w.queue, c)
}

// next gives the oldest that waits.
func (w *crowd) next() (u Update, ok bool) {
	if len(w.queue) == 0 {
		return u, false
	}
	u = Update{Content: w.queue[0], Missed: w.missed}
	w.queue[0] = Content{}
	w.queue, w.missed = w.queue[1:], 0
	return u, true
}
