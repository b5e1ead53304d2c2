package node

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// origin tells why a content may have come. Nothing in a Content says which Interest it answers, so the node remembers what it
// asked for.
type origin uint8

const (
	pushed   origin = iota // nobody here asked for its number lately: a push, or the answer to a newest
	fetched                // its number was asked for, and this is the first answer
	repeated               // its number was asked for, and answered before: a copy
	latest                 // the same, but nothing newer of its name was heard lately: it may be the answer to a newest
)

// mayBeNewest tells whether a content can be the answer to a newest.
func (o origin) mayBeNewest() bool { return o == pushed || o == latest }

// recent remembers which numbers were asked for lately and what was the newest heard of each name, in two generations of bounded
// age and size.
type recent struct {
	now, before generation
	since       time.Time
}

type generation struct {
	asked map[ask]bool // true: answered
	top   map[name.Name]uint32
}

// Bounds of a generation.
const (
	recentAge  = 10 * time.Second
	recentMost = 4096
)

// turn begins a new generation if it is time.
func (r *recent) turn(now time.Time) {
	age := now.Sub(r.since)
	if r.now.asked != nil && age <= recentAge && len(r.now.asked) < recentMost && len(r.now.top) < recentMost {
		return
	}
	if r.before = r.now; age > 2*recentAge {
		r.before = generation{}
	}
	r.now, r.since = generation{asked: map[ask]bool{}, top: map[name.Name]uint32{}}, now
}

// ask notes that a number is asked for.
func (r *recent) ask(a ask, now time.Time) {
	r.turn(now)
	delete(r.before.asked, a)
	r.now.asked[a] = false
}

// answer notes that a content came and tells why.
func (r *recent) answer(a ask, now time.Time) origin {
	r.turn(now)
	top := r.now.top[a.name]
	if top == 0 {
		top = r.before.top[a.name]
	}
	newest := top == 0 || !wire.Newer(top, a.seq)
	if newest {
		top = a.seq
	}
	r.now.top[a.name] = top
	for _, g := range [...]generation{r.now, r.before} {
		had, was := g.asked[a]
		switch {
		case !was:
			continue
		case !had:
			g.asked[a] = true
			return fetched
		case newest:
			return latest
		}
		return repeated
	}
	return pushed
}
