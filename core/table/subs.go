package table

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Window remembers which numbers of a name went to an asker: the highest and the 64 up to it, so that each gets each
// number once (P-16). Numbers are compared as in P-1. The zero Window has seen nothing.
type Window struct {
	High uint32
	Bits uint64 // bit i: High-i was sent
	Set  bool
}

// Base notes that everything up to seq counts as sent: what was published before the asker came.
func (w *Window) Base(seq uint32) {
	if !w.Set {
		*w = Window{High: seq, Bits: ^uint64(0), Set: true}
		return
	}
	d := (w.High - seq) & 0xFFFFFF
	if d < 64 {
		w.Bits |= ^uint64(0) << d
	}
}

// Once notes seq and tells whether it is to be sent: it is new, and not further back than the window.
func (w *Window) Once(seq uint32) bool {
	if !w.Set {
		*w = Window{High: seq, Bits: 1, Set: true}
		return true
	}
	if wire.Newer(seq, w.High) {
		d := (seq - w.High) & 0xFFFFFF
		w.Bits = w.Bits<<d | 1 // a shift of 64 or more gives 0
		w.High = seq
		return true
	}
	d := (w.High - seq) & 0xFFFFFF
	if d >= 64 || w.Bits&(1<<d) != 0 {
		return false
	}
	w.Bits |= 1 << d
	return true
}

// Asker is an in-record of a subscription.
type Asker struct {
	Face     FaceID
	Deadline time.Duration
	TTL      uint8  // as received: bounds how far our own subscription goes
	Window   Window // of an exact name; a wildcard's are in Deliveries
}

// Upstream is our own subscription at a face.
type Upstream struct {
	Face     FaceID
	Opened   time.Duration // when it was sent for the first time
	Sent     time.Duration
	Deadline time.Duration
	Asked    wire.Asked
	Synced   bool // something came through it, or the newest that opened it was answered: what is stored is not stale (P-15)
	Refused  bool // Return 4
	Once     bool // it was sent once, and has pushed nothing yet: it may be lost
}

// Sub is one subscribed name, exact or wildcard, with all who asked for it and the one subscription of our own (P-16).
type Sub struct {
	Key    name.Key
	Mask   uint8 // wildcard positions; 0 for an exact name
	Askers []Asker
	Ups    []Upstream
	Timer  TimerID
	Renew  time.Duration // when our own subscription is renewed
}

// Asker finds the in-record of a face.
func (s *Sub) Asker(face FaceID) *Asker {
	for i := range s.Askers {
		if s.Askers[i].Face == face {
			return &s.Askers[i]
		}
	}
	return nil
}

// Up finds our own subscription at a face.
func (s *Sub) Up(face FaceID) *Upstream {
	for i := range s.Ups {
		if s.Ups[i].Face == face {
			return &s.Ups[i]
		}
	}
	return nil
}

// Needs tells whether an asker other than face waits: only for such a one is face asked, so that two forwarders never keep
// each other's subscription alive.
func (s *Sub) Needs(face FaceID, now time.Duration) bool {
	for i := range s.Askers {
		if s.Askers[i].Face != face && s.Askers[i].Deadline > now {
			return true
		}
	}
	return false
}

// Longest is the deadline of the asker that stays longest; TTL is the highest with which one came.
func (s *Sub) Longest() (deadline time.Duration, ttl uint8) {
	for i := range s.Askers {
		deadline = max(deadline, s.Askers[i].Deadline)
		ttl = max(ttl, s.Askers[i].TTL)
	}
	return deadline, ttl
}

// Subs is the table of subscriptions of a worker (P-16). It counts askers: a limit for all and a share for each face (P-22).
// When it is full the newcomer is refused; no subscriber is evicted.
type Subs struct {
	index *Map[name.Key, int32]
	slab  *Slab[Sub]
	quota *Quota
	masks [64]int
	wilds int
	limit int // of wildcard subscriptions
}

// NewSubs makes a table whose askers are counted by quota and which has at most wilds wildcard names (P-5).
func NewSubs(seed Seed, quota *Quota, wilds int) *Subs {
	return &Subs{
		index: NewMap[name.Key, int32](func(k name.Key) uint64 { return seed.Key(k, 0) }),
		slab:  NewSlab[Sub](),
		quota: quota,
		limit: wilds,
	}
}

// Find gives the subscription to a name, or nil.
func (t *Subs) Find(k name.Key) *Sub {
	i, ok := t.index.Get(k)
	if !ok {
		return nil
	}
	return t.slab.At(i)
}

// ID gives the handle of a name for timers; 0 if there is none.
func (t *Subs) ID(k name.Key) int32 {
	i, _ := t.index.Get(k)
	return i
}

// At gives the subscription of a handle.
func (t *Subs) At(id int32) *Sub { return t.slab.At(id) }

// Ask gives the in-record of face for a name, a new one if there is none; nil when a limit is reached (P-5, P-22).
func (t *Subs) Ask(k name.Key, mask uint8, face FaceID) (s *Sub, a *Asker, fresh bool) {
	s = t.Find(k)
	if s != nil {
		if a = s.Asker(face); a != nil {
			return s, a, false
		}
	}
	if s == nil && mask != 0 && t.wilds >= t.limit || !t.quota.Take(face) {
		return nil, nil, false
	}
	if s == nil {
		s = t.insert(k, mask)
	}
	s.Askers = append(s.Askers, Asker{Face: face})
	return s, &s.Askers[len(s.Askers)-1], true
}

func (t *Subs) insert(k name.Key, mask uint8) *Sub {
	i := t.slab.Alloc()
	s := t.slab.At(i)
	*s = Sub{Key: k, Mask: mask}
	t.index.Put(k, i)
	if mask != 0 {
		t.wilds++
		t.masks[mask&63]++
	}
	return s
}

// RemoveAsker takes the i-th asker out of s; the order of the others changes.
func (t *Subs) RemoveAsker(s *Sub, i int) {
	t.quota.Give(s.Askers[i].Face)
	last := len(s.Askers) - 1
	s.Askers[i] = s.Askers[last]
	s.Askers = s.Askers[:last]
}

// Remove takes a subscription out. The caller cancels its timer.
func (t *Subs) Remove(s *Sub) {
	for i := range s.Askers {
		t.quota.Give(s.Askers[i].Face)
	}
	if s.Mask != 0 {
		t.wilds--
		t.masks[s.Mask&63]--
	}
	i, _ := t.index.Get(s.Key)
	t.index.Delete(s.Key)
	*s = Sub{}
	t.slab.Free(i)
}

// Masks calls fn with each set of wildcard positions of which a subscription exists.
func (t *Subs) Masks(fn func(mask uint8)) {
	if t.wilds == 0 {
		return
	}
	for m, n := range t.masks {
		if n > 0 {
			fn(uint8(m))
		}
	}
}

// Quota counts the askers by face.
func (t *Subs) Quota() *Quota { return t.quota }

// Len is the number of subscribed names, Askers that of in-records.
func (t *Subs) Len() int { return t.index.Len() }

// Askers is the number of in-records.
func (t *Subs) Askers() int { return t.quota.Total() }

// All calls fn with every subscription until it returns false. fn must not add or remove any.
func (t *Subs) All(fn func(*Sub) bool) {
	for _, i := range t.index.All() {
		if !fn(t.slab.At(i)) {
			return
		}
	}
}

// delivery is a name that went to a face through a wildcard subscription.
type delivery struct {
	name name.Key
	face FaceID
}

// Deliveries holds the windows of wildcard subscribers, one for each concrete name and face (P-16), in a ring: when it is
// full the oldest is forgotten, after which that face may get a number twice. Nothing is lost by it.
type Deliveries struct {
	index *Map[delivery, int32]
	ring  []deliveryRecord
	next  int
	limit int
}

type deliveryRecord struct {
	key    delivery
	window Window
	used   bool
}

// NewDeliveries makes a table of at most limit windows.
func NewDeliveries(seed Seed, limit int) *Deliveries {
	return &Deliveries{
		index: NewMap[delivery, int32](func(d delivery) uint64 { return seed.Key(d.name, uint64(d.face)) }),
		limit: limit,
	}
}

// Window gives the window of a name and a face; fresh tells that it was made now.
func (d *Deliveries) Window(k name.Key, face FaceID) (w *Window, fresh bool) {
	key := delivery{k, face}
	if i, ok := d.index.Get(key); ok {
		return &d.ring[i].window, false
	}
	if len(d.ring) < d.limit {
		d.ring = append(d.ring, deliveryRecord{})
		d.next = len(d.ring) - 1
	}
	r := &d.ring[d.next]
	if r.used {
		d.index.Delete(r.key)
	}
	*r = deliveryRecord{key: key, used: true}
	d.index.Put(key, int32(d.next))
	d.next = (d.next + 1) % d.limit
	return &r.window, true
}

// Find gives the window of a name and a face, or nil.
func (d *Deliveries) Find(k name.Key, face FaceID) *Window {
	if i, ok := d.index.Get(delivery{k, face}); ok {
		return &d.ring[i].window
	}
	return nil
}

// Wilds is the number of wildcard subscriptions.
func (t *Subs) Wilds() int { return t.wilds }
