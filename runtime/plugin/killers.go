package plugin

import (
	"hash/maphash"
	"maps"
	"sync/atomic"
	"time"
)

// killers are the inputs that have killed an instance of a version, by key, and until when they are not handed to it again. The map is
// never changed, only replaced, under the plugin's lock. As a rule there is none, and then it costs one look at a pointer.
type killers struct {
	list atomic.Pointer[map[uint64]time.Time]
}

// maxKillers bounds them. A version that has more traps as it will.
const maxKillers = 16

// any gives what there is; nil as a rule.
func (k *killers) any() map[uint64]time.Time {
	if list := k.list.Load(); list != nil {
		return *list
	}
	return nil
}

// add remembers an input, in place of the one that would be forgotten first if there are too many.
func (k *killers) add(key uint64, until time.Time) {
	next := maps.Clone(k.any())
	if next == nil {
		next = map[uint64]time.Time{}
	}
	next[key] = until
	for len(next) > maxKillers {
		oldest := key
		for other, at := range next {
			if at.Before(next[oldest]) {
				oldest = other
			}
		}
		delete(next, oldest)
	}
	k.list.Store(&next)
}

// forget drops those whose time is over.
func (k *killers) forget(now time.Time) {
	list := k.any()
	next := maps.Clone(list)
	maps.DeleteFunc(next, func(_ uint64, until time.Time) bool { return !now.Before(until) })
	switch len(next) {
	case len(list):
	case 0:
		k.list.Store(nil)
	default:
		k.list.Store(&next)
	}
}

var keySeed = maphash.MakeSeed()

// keyOf is the key of an input; never 0.
func keyOf(b []byte) uint64 { return max(maphash.Bytes(keySeed, b), 1) }
