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
	routes *Map[fibKey, fibRoute]
	none   *RouteState // of names without a route
	order  []fibKey    // sorted, for Overlapping and status
	nets   []fibNet    // by network index
	last   lastRoute
}

// lastRoute is what was found last, if no longer prefix is in use: names in a row have mostly one route.
type lastRoute struct {
	route     *fibRoute // nil: none
	key, mask uint64    // of its prefix, as in a name.Key
}

// fibRoute is the next hops of a prefix and what is kept of it, nil until that is asked for.
type fibRoute struct {
	hops  []Hop
	state *RouteState
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
	return &FIB{routes: NewMap[fibKey, fibRoute](func(k fibKey) uint64 { return seed.Mix(uint64(k), 0) })}
}

// Set replaces the next hops of a prefix; none removes it, and with it what was kept of it. The hops are copied and sorted.
func (f *FIB) Set(net uint8, p name.Prefix, hops []Hop) {
	k := prefixKey(net, p)
	f.last = lastRoute{}
	r := f.routes.Ptr(k)
	had := r != nil
	if len(hops) == 0 {
		if had {
			f.routes.Delete(k)
			f.count(k, -1)
		}
		return
	}
	own := slices.Clone(hops)
	slices.SortFunc(own, compareHops)
	if had {
		r.hops = own // what is kept of the route stays
		return
	}
	f.routes.Put(k, fibRoute{hops: own})
	f.count(k, 1)
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
	if r := f.lookup(k); r != nil {
		return r.hops
	}
	return nil
}

func (f *FIB) lookup(k name.Key) *fibRoute {
	if f.last.route != nil && uint64(k)&f.last.mask == f.last.key {
		return f.last.route
	}
	net := int(k.Net())
	if net >= len(f.nets) {
		return nil
	}
	all := f.nets[net].used
	for used := all; used != 0; {
		length := bits.Len8(used) - 1
		used &^= 1 << length
		key := uint64(k) & prefixMasks[length]
		if r := f.routes.Ptr(fibKey(length)<<56 | fibKey(key)); r != nil {
			if all>>length == 1 {
				f.last = lastRoute{r, key, prefixMasks[length]}
			}
			return r
		}
	}
	return nil
}

// State gives what is kept of the route of a name, and makes it if nothing was. Names without a route have one together.
func (f *FIB) State(k name.Key) *RouteState {
	at := &f.none
	if r := f.lookup(k); r != nil {
		at = &r.state
	}
	if *at == nil {
		*at = &RouteState{}
	}
	return *at
}

// Known gives the same without making it: nil if nothing is kept.
func (f *FIB) Known(k name.Key) *RouteState {
	if r := f.lookup(k); r != nil {
		return r.state
	}
	return f.none
}

// Route gives the next hops of a prefix and what is kept of it, which it makes; nil if there is no such route.
func (f *FIB) Route(net uint8, p name.Prefix) ([]Hop, *RouteState) {
	r := f.routes.Ptr(prefixKey(net, p))
	if r == nil {
		return nil, nil
	}
	if r.state == nil {
		r.state = &RouteState{}
	}
	return r.hops, r.state
}

// Through calls fn with every prefix that has the face among its next hops, shortest first. fn must not Set.
func (f *FIB) Through(face FaceID, fn func(net uint8, p name.Prefix)) {
	for _, k := range f.order {
		r := f.routes.Ptr(k)
		if slices.ContainsFunc(r.hops, func(h Hop) bool { return h.Face == face }) {
			fn(k.net(), k.prefix())
		}
	}
}

// Overlapping hands fn every prefix that holds names which pattern may match, shortest first: where an Interest for
// the pattern goes (P-5). It reads all prefixes, which wildcards are rare enough for. fn must not Set.
func (f *FIB) Overlapping(w *name.Network, net uint8, pattern name.Name, fn func(p name.Prefix, hops []Hop)) {
	for _, k := range f.order {
		if p := k.prefix(); k.net() == net && w.Overlaps(p, pattern) {
			fn(p, f.routes.Ptr(k).hops)
		}
	}
}

// Len is the number of prefixes.
func (f *FIB) Len() int { return len(f.order) }
