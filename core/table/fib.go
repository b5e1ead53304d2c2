package table

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/zmesh/zmesh/core/name"
)

// Hop is a next hop of a prefix: a face, and what the way over it costs.
type Hop struct {
	Face FaceID
	Cost uint16
}

// compareHops orders by cost, then face.
func compareHops(a, b Hop) int {
	return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(a.Face, b.Face))
}

// FIB is a worker's view of the routes: the next hops of each prefix. A lookup tries the lengths that are in use in the
// network, longest first, one hash each: at most seven, in a hashed network (P-14) at most two.
//
// It is as large as the [RIB] makes it, which has the bound.
type FIB struct {
	routes *Map[fibKey, []Hop]
	order  []fibKey // sorted, for Overlapping and status
	nets   []fibNet // by network index
}

type fibNet struct {
	used   uint8 // lengths with routes, by bit
	counts [name.Size + 1]int32
}

// fibKey is a prefix of a network: its length in bits 63:56, then as name.Key, bytes past the length 0.
type fibKey uint64

// prefixMasks has, by length, the bits of a fibKey that a name shares with a prefix of that length; the network always.
var prefixMasks = func() (masks [name.Size + 1]uint64) {
	for i := range masks {
		masks[i] = (1<<56 - 1) &^ (1<<(8*(name.Size-i)) - 1)
	}
	return masks
}()

func prefixKey(net uint8, p name.Prefix) fibKey {
	return fibKey(uint64(p.Len)<<56 | uint64(name.MakeKey(net, p.Name)))
}

func (k fibKey) net() uint8 { return name.Key(k).Net() }

func (k fibKey) prefix() name.Prefix {
	return name.Prefix{Len: uint8(k >> 56), Name: name.Key(k).Name()}
}

// NewFIB makes an empty FIB.
func NewFIB(seed Seed) *FIB {
	return &FIB{routes: NewMap[fibKey, []Hop](func(k fibKey) uint64 { return seed.Mix(uint64(k), 0) })}
}

// Set replaces the next hops of a prefix; none removes it. The hops are copied and sorted.
func (f *FIB) Set(net uint8, p name.Prefix, hops []Hop) {
	k := prefixKey(net, p)
	had := f.routes.Ptr(k) != nil
	if len(hops) == 0 {
		if had {
			f.routes.Delete(k)
			f.count(k, -1)
		}
		return
	}
	own := slices.Clone(hops)
	slices.SortFunc(own, compareHops)
	f.routes.Put(k, own)
	if !had {
		f.count(k, 1)
	}
}

// count keeps what is known of all prefixes, when one comes (+1) or goes (-1).
func (f *FIB) count(k fibKey, by int32) {
	for len(f.nets) <= int(k.net()) {
		f.nets = append(f.nets, fibNet{})
	}
	n, length := &f.nets[k.net()], k.prefix().Len
	n.counts[length] += by
	n.used &^= 1 << length
	if n.counts[length] > 0 {
		n.used |= 1 << length
	}
	i, _ := slices.BinarySearch(f.order, k)
	if by > 0 {
		f.order = slices.Insert(f.order, i, k)
	} else {
		f.order = slices.Delete(f.order, i, i+1)
	}
}

// Lookup gives the hops of the longest prefix that contains the name, by cost, then face; nil if there is none. They
// belong to the FIB and stay as they are: Set replaces them.
func (f *FIB) Lookup(k name.Key) []Hop {
	net := int(k.Net())
	if net >= len(f.nets) {
		return nil
	}
	for used := f.nets[net].used; used != 0; {
		length := bits.Len8(used) - 1
		used &^= 1 << length
		if hops := f.routes.Ptr(fibKey(length)<<56 | fibKey(uint64(k)&prefixMasks[length])); hops != nil {
			return *hops
		}
	}
	return nil
}

// Overlapping hands fn every prefix that holds names which pattern may match, shortest first: where an Interest for
// the pattern goes (P-5). It reads all prefixes, which wildcards are rare enough for. fn must not Set.
func (f *FIB) Overlapping(w *name.Network, net uint8, pattern name.Name, fn func(p name.Prefix, hops []Hop)) {
	for _, k := range f.order {
		if p := k.prefix(); k.net() == net && w.Overlaps(p, pattern) {
			hops, _ := f.routes.Get(k)
			fn(p, hops)
		}
	}
}

// Len is the number of prefixes.
func (f *FIB) Len() int { return len(f.order) }
