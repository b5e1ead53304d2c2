package table

import (
	"iter"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// DefaultProducerHold is how long a producer may be silent before its name is free (P-17).
const DefaultProducerHold = time.Hour

// Claim is what became of a face that publishes a name (P-17).
type Claim uint8

// The answers of [Producers.Claim].
const (
	ClaimHeld  Claim = iota // the face was the producer already; its hold starts anew
	ClaimTaken              // it is the producer now
	ClaimOther              // another live face produces the name: a second producer
	ClaimFull               // the table, or the face's share of it, is full (P-22)
)

// Producers knows the producer face of each name: the face whose unsolicited Content is admitted and that is a next hop
// of the name, until it is silent for the hold, or down (P-17). Names past their hold are free at once; their memory
// comes back with the calls that follow.
//
// Full: the newcomer is refused.
type Producers struct {
	hold    time.Duration
	quota   *Quota
	index   *Map[name.Key, int32]
	slab    Slab[producer]
	silent  list // all, longest silent first: they have one hold, so this is the order in which they end
	faces   *Map[FaceID, list]
	bySound func(int32) *links
	byFace  func(int32) *links
}

type producer struct {
	key   name.Key
	heard time.Duration
	sound links // in silent
	mates links // in the list of its face
	face  FaceID
}

// expirePerCall bounds the work of one call; it is more than the one entry that a call can add, so the backlog ends.
const expirePerCall = 8

// NewProducers makes a table whose names are counted by quota. hold 0 means DefaultProducerHold.
func NewProducers(seed Seed, quota *Quota, hold time.Duration) *Producers {
	if hold == 0 {
		hold = DefaultProducerHold
	}
	p := &Producers{hold: hold, quota: quota}
	p.index = NewMap[name.Key, int32](func(k name.Key) uint64 { return seed.Key(k, 0) })
	p.faces = NewMap[FaceID, list](FaceID.hash)
	p.bySound = func(i int32) *links { return &p.slab.At(i).sound }
	p.byFace = func(i int32) *links { return &p.slab.At(i).mates }
	return p
}

// Claim says that face publishes k, and makes it the producer if it can be.
func (p *Producers) Claim(now time.Duration, k name.Key, face FaceID) Claim {
	p.Advance(now)
	i, ok := p.index.Get(k)
	if ok && p.live(now, i) {
		return p.hear(now, i, face)
	}
	if ok {
		p.remove(i)
	}
	if !p.quota.Take(face) {
		return ClaimFull
	}
	p.add(now, k, face)
	return ClaimTaken
}

// Face gives the producer face of k.
func (p *Producers) Face(now time.Duration, k name.Key) (FaceID, bool) {
	if i, ok := p.index.Get(k); ok && p.live(now, i) {
		return p.slab.At(i).face, true
	}
	return 0, false
}

// DropFace frees every name of a face that is down.
func (p *Producers) DropFace(face FaceID) {
	l, _ := p.faces.Get(face)
	for i := l.first; i != 0; {
		next := p.slab.At(i).mates.next
		p.remove(i)
		i = next
	}
}

// Advance takes a few names that are past their hold out of memory. Claim does it too; it is for quiet times.
func (p *Producers) Advance(now time.Duration) {
	for range expirePerCall {
		if i := p.silent.first; i == 0 || p.live(now, i) {
			return
		}
		p.remove(p.silent.first)
	}
}

// Len is the number of names in memory.
func (p *Producers) Len() int { return p.index.Len() }

// All iterates over the names that have a producer at now.
func (p *Producers) All(now time.Duration) iter.Seq2[name.Key, FaceID] {
	return func(yield func(name.Key, FaceID) bool) {
		for k, i := range p.index.All() {
			if p.live(now, i) && !yield(k, p.slab.At(i).face) {
				return
			}
		}
	}
}

func (p *Producers) live(now time.Duration, i int32) bool { return now-p.slab.At(i).heard < p.hold }

func (p *Producers) hear(now time.Duration, i int32, face FaceID) Claim {
	e := p.slab.At(i)
	if e.face != face {
		return ClaimOther
	}
	e.heard = now
	p.silent.remove(i, p.bySound)
	p.silent.push(i, p.bySound)
	return ClaimHeld
}

func (p *Producers) add(now time.Duration, k name.Key, face FaceID) {
	i := p.slab.Alloc()
	e := p.slab.At(i)
	e.key, e.heard, e.face = k, now, face
	p.index.Put(k, i)
	p.silent.push(i, p.bySound)
	l, _ := p.faces.Get(face)
	l.push(i, p.byFace)
	p.faces.Put(face, l)
}

func (p *Producers) remove(i int32) {
	e := p.slab.At(i)
	p.quota.Give(e.face)
	p.index.Delete(e.key)
	p.silent.remove(i, p.bySound)
	l := p.faces.Ptr(e.face)
	if l.remove(i, p.byFace); l.first == 0 {
		p.faces.Delete(e.face)
	}
	p.slab.Free(i)
}
