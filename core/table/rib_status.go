package table

import (
	"cmp"
	"slices"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Route is one way of a [RIB], for status.
type Route struct {
	Net    uint8
	Prefix name.Prefix
	Origin uint32        // of announced ones
	Face   FaceID        // 0: announced by this node itself
	Cost   uint16        // of the whole way
	FSEQ   uint32        // of announced ones
	Age    time.Duration // since it was last heard, or sent; 0 for static ones
	Left   time.Duration // of its life; 0 for static ones
	Static bool
	Used   bool // a next hop of the prefix; of our own: announced
}

// Routes lists all ways, by network, prefix, origin, cost and face: static ones, announced ones and our own.
func (r *RIB) Routes(now time.Duration) []Route {
	var all []Route
	for k, d := range r.dests.All() {
		static := false
		for _, h := range d.static {
			_, up := r.faces.Get(h.Face)
			used := up && h.Cost < wire.CostUnreachable
			static = static || used
			all = append(all, Route{Net: k.net(), Prefix: k.prefix(), Face: h.Face, Cost: h.Cost, Static: true, Used: used})
		}
		for _, i := range d.sources {
			all = r.appendSource(all, now, r.sources.At(i), static)
		}
	}
	for k, i := range r.owns.All() {
		o := r.own.At(i)
		left := max(0, o.sent+o.lifetime-now)
		all = append(all, Route{
			Net: k.net(), Prefix: k.prefix(), Origin: r.set.Node, Cost: o.cost, FSEQ: o.seq,
			Age: now - o.sent, Left: left, Used: o.live,
		})
	}
	slices.SortFunc(all, compareRoutes)
	return all
}

// appendSource appends the entries of a source; static tells that the prefix has a static route that counts instead.
func (r *RIB) appendSource(all []Route, now time.Duration, s *source, static bool) []Route {
	for i := range s.entries {
		e := &s.entries[i]
		cost := r.costOf(e)
		all = append(all, Route{
			Net: s.key.route.net(), Prefix: s.key.route.prefix(), Origin: s.key.origin, Face: e.face, Cost: cost,
			FSEQ: e.seq, Age: now - e.heard, Left: e.deadline - now, Used: !static && s.usable(*e) && cost < wire.CostUnreachable,
		})
	}
	return all
}

func compareRoutes(a, b Route) int {
	return cmp.Or(
		cmp.Compare(prefixKey(a.Net, name.Prefix{Name: a.Prefix.Name}), prefixKey(b.Net, name.Prefix{Name: b.Prefix.Name})),
		cmp.Compare(a.Prefix.Len, b.Prefix.Len),
		cmp.Compare(a.Origin, b.Origin),
		cmp.Compare(a.Cost, b.Cost),
		cmp.Compare(a.Face, b.Face),
	)
}

// Hops gives the next hops of exactly this prefix, as OnRoute had them last.
func (r *RIB) Hops(net uint8, p name.Prefix) []Hop {
	if d, ok := r.dests.Get(prefixKey(net, p)); ok {
		return d.hops
	}
	return nil
}
