package table

import (
	"math/bits"
	"time"
)

// Resolution is the tick of a [Wheel]. A due time is rounded up to it, so nothing fires early.
const Resolution = time.Millisecond

// TimerID names a timer of a [Wheel]. 0 is none. It ends when the timer fires or is cancelled: whoever keeps it must
// forget it then, since the number is used again.
type TimerID int32

const (
	levelBits   = 6
	levelSlots  = 1 << levelBits
	wheelLevels = 8 // 48 bits of ms: more than a time.Duration holds, so there is no horizon to overflow
)

// Wheel is a hierarchical timing wheel (Varghese and Lauck 1987, scheme 7). A timer stands on the level of the highest
// digit, base 64, in which its due tick differs from the present one; when that digit is reached, it moves down. So
// everything on a level is due before anything on a higher one, adding and cancelling take constant time, and timers of
// one tick fire in the order in which they were added. It is not bounded by itself: every timer belongs to an entry of a
// bounded table. The zero Wheel is ready and stands at time 0.
type Wheel struct {
	now    int64 // ticks that have passed
	firing bool
	set    bool  // a timer was since Set was asked
	used   uint8 // levels with timers, by bit
	levels [wheelLevels]level
	timers Slab[timer]
}

type level struct {
	used  uint64 // slots with timers, by bit
	slots [levelSlots]struct{ first, last TimerID }
}

type timer struct {
	due        int64 // tick
	ref        uint32
	next, prev TimerID
	kind       uint8
	level      uint8
	slot       uint8
	live       bool
}

// Add sets a timer: at the time at, or as soon as possible if that has passed, Advance hands kind and ref to its
// caller. What is added from within fire for a time that has passed comes with the next tick, so that a timer that sets
// itself anew at once cannot hold the worker up for ever.
func (w *Wheel) Add(at time.Duration, kind uint8, ref uint32) TimerID {
	id := TimerID(w.timers.Alloc())
	t := w.at(id)
	t.kind, t.ref, t.live = kind, ref, true
	t.due = w.tick(at)
	w.link(id, t)
	return id
}

// Cancel removes a timer. 0 is allowed and does nothing.
func (w *Wheel) Cancel(id TimerID) {
	if id == 0 || !w.at(id).live {
		return
	}
	w.unlink(id)
	w.timers.Free(int32(id))
}

// Move gives a timer another due time. It counts as added anew.
func (w *Wheel) Move(id TimerID, at time.Duration) {
	w.unlink(id)
	t := w.at(id)
	t.due = w.tick(at)
	w.link(id, t)
}

// Len is the number of timers.
func (w *Wheel) Len() int { return w.timers.Len() }

// Set tells whether a timer was added or moved since it was last asked: otherwise Next gives no earlier time than before.
func (w *Wheel) Set() (yes bool) {
	yes, w.set = w.set, false
	return yes
}

// Next gives a lower bound of the time when the next timer is due; ok is false if there is none. It may be the time
// when timers move down a level rather than fire: then Advance does that, and Next gives a later time. A clock that jumps
// from Next to Next therefore makes progress and is never late. It may have passed already: then Advance is overdue.
func (w *Wheel) Next() (at time.Duration, ok bool) {
	if w.used == 0 {
		return 0, false
	}
	_, _, tick := w.first()
	return time.Duration(tick) * Resolution, true
}

// Advance moves the wheel to now, which is never before an earlier now, and hands everything due to fire, in the order
// of due time (to the resolution), then of adding. A timer has ended before fire sees it. fire may Add, Cancel and Move,
// but not Advance.
func (w *Wheel) Advance(now time.Duration, fire func(kind uint8, ref uint32)) {
	until := int64(now / Resolution)
	w.firing = true
	for w.used != 0 {
		l, s, tick := w.first()
		if tick > until {
			break
		}
		w.now = tick
		if l == 0 {
			w.fire(s, fire)
		} else {
			w.moveDown(l, s)
		}
	}
	w.firing = false
	w.now = max(w.now, until)
}

// first gives the slot that is reached first and the tick at which it starts. There must be timers.
func (w *Wheel) first() (l, s uint, tick int64) {
	l = uint(bits.TrailingZeros8(w.used))
	s = uint(bits.TrailingZeros64(w.levels[l].used))
	shift := l * levelBits
	return l, s, (w.now>>shift&^(levelSlots-1) | int64(s)) << shift
}

// fire empties a slot of level 0. What fire adds meanwhile stands behind this tick.
func (w *Wheel) fire(s uint, fire func(kind uint8, ref uint32)) {
	for {
		id := w.levels[0].slots[s].first
		if id == 0 {
			return
		}
		t := w.at(id)
		kind, ref := t.kind, t.ref
		w.unlink(id)
		w.timers.Free(int32(id))
		fire(kind, ref)
	}
}

// moveDown spreads a slot whose first tick has come over the levels below, in order.
func (w *Wheel) moveDown(l, s uint) {
	for id := w.levels[l].slots[s].first; id != 0; id = w.levels[l].slots[s].first {
		w.unlink(id)
		w.link(id, w.at(id))
	}
}

func (w *Wheel) at(id TimerID) *timer { return w.timers.At(int32(id)) }

// tick rounds a due time up, and not before the first tick that can still fire.
func (w *Wheel) tick(at time.Duration) int64 {
	tick := int64(at / Resolution)
	if at%Resolution > 0 {
		tick++
	}
	if w.firing {
		return max(tick, w.now+1)
	}
	return max(tick, w.now)
}

func (w *Wheel) link(id TimerID, t *timer) {
	w.set = true
	l := 0
	if differ := uint64(t.due ^ w.now); differ != 0 {
		l = (bits.Len64(differ) - 1) / levelBits
	}
	s := uint8(t.due >> (l * levelBits) & (levelSlots - 1))
	t.level, t.slot = uint8(l), s
	lv := &w.levels[l]
	list := &lv.slots[s]
	t.next, t.prev = 0, list.last
	if list.last != 0 {
		w.at(list.last).next = id
	} else {
		list.first = id
	}
	list.last = id
	lv.used |= 1 << s
	w.used |= 1 << l
}

func (w *Wheel) unlink(id TimerID) {
	t := w.at(id)
	lv := &w.levels[t.level]
	list := &lv.slots[t.slot]
	if t.prev != 0 {
		w.at(t.prev).next = t.next
	} else {
		list.first = t.next
	}
	if t.next != 0 {
		w.at(t.next).prev = t.prev
	} else {
		list.last = t.prev
	}
	if list.first != 0 {
		return
	}
	lv.used &^= 1 << t.slot
	if lv.used == 0 {
		w.used &^= 1 << t.level
	}
}
