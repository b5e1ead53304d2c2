package table

import (
	"slices"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"pgregory.net/rapid"
)

// bench is one RIB with what it said.
type ribBench struct {
	*RIB
	now    time.Duration
	sent   []Send
	routes map[fibKey][]Hop
}

func newBench(set RIBSettings) *ribBench {
	b := &ribBench{routes: map[fibKey][]Hop{}}
	set.Node, set.Seed = 1, testSeed
	set.OnSend = func(s Send) { b.sent = append(b.sent, s) }
	set.OnRoute = func(net uint8, p name.Prefix, hops []Hop) { b.routes[prefixKey(net, p)] = hops }
	b.RIB = NewRIB(set)
	return b
}

func (b *ribBench) hear(face FaceID, origin, seq uint32, cost, lifetime uint16) drop.Reason {
	return b.Receive(b.now, face, 0, meshPrefix, seq, wire.Announced{Cost: cost, Lifetime: lifetime, Origin: origin})
}

// take gives what was sent since it was last asked.
func (b *ribBench) take() []Send {
	defer func() { b.sent = nil }()
	return b.sent
}

func (b *ribBench) hops() []Hop { return b.routes[prefixKey(0, meshPrefix)] }

func announced(origin, seq uint32, cost, lifetime uint16, except FaceID) Send {
	return Send{Prefix: meshPrefix, FSEQ: seq, Cost: cost, Lifetime: lifetime, Origin: origin, Except: except}
}

func wantSent(t *testing.T, b *ribBench, want ...Send) {
	t.Helper()
	if got := b.take(); !slices.Equal(got, want) {
		t.Errorf("sent %+v, want %+v", got, want)
	}
}

func wantHops(t *testing.T, b *ribBench, want ...Hop) {
	t.Helper()
	if got := b.hops(); !slices.Equal(got, want) {
		t.Errorf("hops %v, want %v", got, want)
	}
}

func wantReason(t *testing.T, got, want drop.Reason) {
	t.Helper()
	if got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestP7FeasibilityOfOneNode(t *testing.T) {
	b := newBench(RIBSettings{})
	for f := FaceID(1); f <= 3; f++ {
		b.FaceUp(0, f, 10)
	}
	wantReason(t, b.hear(1, 7, 100, 20, 60), drop.None)
	wantSent(t, b, announced(7, 100, 30, 60, 1))
	wantReason(t, b.hear(2, 7, 100, 30, 60), drop.AnnouncementOld) // not below what we announced
	wantReason(t, b.hear(2, 7, 100, 29, 60), drop.None)            // below it, but dearer on the whole
	wantSent(t, b)
	wantHops(t, b, Hop{1, 30}, Hop{2, 39})
	wantReason(t, b.hear(3, 7, 100, 15, 60), drop.None) // cost fell to 25: face 2 is too far now
	wantSent(t, b, announced(7, 100, 25, 60, 3))
	wantHops(t, b, Hop{3, 25}, Hop{1, 30})
	wantReason(t, b.hear(1, 7, 99, 1, 60), drop.AnnouncementOld)
	wantReason(t, b.hear(1, 7, 100, 25, 60), drop.AnnouncementOld) // a late copy
	wantHops(t, b, Hop{3, 25}, Hop{1, 30})
}

func TestP7CostStopsAtUnreachable(t *testing.T) {
	b := newBench(RIBSettings{})
	b.FaceUp(0, 1, 10)
	wantReason(t, b.hear(1, 7, 1, 65525, 60), drop.AnnouncementOld)
	wantReason(t, b.hear(1, 7, 1, 65524, 60), drop.None)
	wantHops(t, b, Hop{1, 65534})
}

// A face of cost 0 counts as 1: with costs that do not rise, two nodes could each be feasible for the other.
func TestP7FaceCostsAtLeastOne(t *testing.T) {
	b := newBench(RIBSettings{})
	b.FaceUp(0, 1, 0)
	b.hear(1, 7, 1, 0, 60)
	wantSent(t, b, announced(7, 1, 1, 60, 1))
	wantHops(t, b, Hop{1, 1})
}

func TestP7LifetimeIsCutAndNotExtended(t *testing.T) {
	b := newBench(RIBSettings{})
	b.FaceUp(0, 1, 1)
	b.FaceUp(0, 2, 1)
	b.hear(1, 7, 1, 5, 65535)
	wantSent(t, b, announced(7, 1, 6, 3600, 1))
	b.now = 10 * time.Second
	b.hear(1, 7, 1, 4, 3600) // the same FSEQ, again with a whole lifetime
	wantSent(t, b, announced(7, 1, 5, 3590, 1))
	b.now = MaxLifetime
	b.Advance(b.now)
	wantHops(t, b)
	wantSent(t, b) // everybody's ends: nothing to say
	wantReason(t, b.hear(1, 7, 1, 3, 60), drop.AnnouncementOld)
	wantReason(t, b.hear(1, 7, 2, 3, 60), drop.None)
}

func TestP7WithdrawLeavesATombstone(t *testing.T) {
	b := newBench(RIBSettings{})
	b.FaceUp(0, 1, 1)
	b.FaceUp(0, 2, 1)
	b.hear(1, 7, 5, 5, 60)
	b.take()
	wantReason(t, b.hear(2, 7, 4, 0, 0), drop.AnnouncementOld)
	wantReason(t, b.hear(2, 7, 6, 0, 0), drop.None)
	wantSent(t, b, announced(7, 6, 1, 0, 2))
	wantHops(t, b)
	wantReason(t, b.hear(1, 7, 6, 0, 0), drop.AnnouncementOld) // once
	wantReason(t, b.hear(1, 7, 5, 5, 60), drop.AnnouncementOld)
	wantReason(t, b.hear(1, 7, 6, 5, 60), drop.AnnouncementOld)
	wantSent(t, b)
	wantReason(t, b.hear(1, 7, 7, 5, 60), drop.None)
	wantHops(t, b, Hop{1, 6})
}

// A withdrawal that is quicker than what it withdraws.
func TestP7WithdrawOvertakes(t *testing.T) {
	b := newBench(RIBSettings{})
	b.FaceUp(0, 1, 1)
	wantReason(t, b.hear(1, 7, 6, 0, 0), drop.AnnouncementOld)
	wantReason(t, b.hear(1, 7, 5, 0, 60), drop.AnnouncementOld)
	wantSent(t, b)
	wantReason(t, b.hear(1, 7, 7, 0, 60), drop.None)
}

func TestP7TombstonesAreBounded(t *testing.T) {
	b := newBench(RIBSettings{Tombstones: 10})
	b.FaceUp(0, 1, 1)
	for origin := range uint32(100) {
		b.hear(1, origin+100, 1, 1, 60)
		b.hear(1, origin+100, 2, 1, 0)
	}
	if n := b.index.Len(); n != 10 {
		t.Errorf("%d routes remembered, want 10", n)
	}
	b.Advance(MaxLifetime)
	if b.index.Len()+b.dests.Len()+b.sources.Len()+b.wheel.Len() != 0 {
		t.Errorf("%d routes, %d prefixes, %d sources, %d timers after an hour", b.index.Len(), b.dests.Len(), b.sources.Len(), b.wheel.Len())
	}
}

func TestP7RetractionWhenTheLastHopIsLost(t *testing.T) {
	b := newBench(RIBSettings{})
	for f := FaceID(1); f <= 3; f++ {
		b.FaceUp(0, f, 1)
	}
	b.hear(1, 7, 5, 10, 60)
	b.hear(2, 7, 5, 10, 60)
	b.take()
	b.now = 10 * time.Second
	wantReason(t, b.hear(1, 7, 5, wire.CostUnreachable, 50), drop.None)
	wantSent(t, b) // there is another
	b.FaceDown(b.now, 2)
	wantSent(t, b, announced(7, 5, wire.CostUnreachable, 50, 2))
	wantHops(t, b)
	wantReason(t, b.hear(3, 7, 5, 11, 50), drop.AnnouncementOld) // may be our own way, come back
	wantReason(t, b.hear(3, 7, 5, 10, 50), drop.None)
	wantSent(t, b, announced(7, 5, 11, 50, 3))
	wantReason(t, b.hear(2, 7, 5, wire.CostUnreachable, 50), drop.FaceDown)
	wantReason(t, b.hear(1, 7, 5, wire.CostUnreachable, 50), drop.AnnouncementOld)
}

// A newer FSEQ that comes the dearer way waits for the present hop; if that is silent, for Settle.
func TestP7NewerWaitsForTheCheaper(t *testing.T) {
	for _, comes := range []bool{true, false} {
		b := newBench(RIBSettings{})
		b.FaceUp(0, 1, 1)
		b.FaceUp(0, 2, 1)
		b.hear(1, 7, 5, 10, 60)
		b.take()
		wantReason(t, b.hear(2, 7, 6, 20, 60), drop.None)
		wantSent(t, b)
		wantHops(t, b, Hop{1, 11})
		if at, ok := b.Next(); !ok || at > DefaultSettle {
			t.Errorf("Next %v, %v", at, ok)
		}
		b.now = DefaultSettle / 2
		if comes {
			b.hear(1, 7, 6, 10, 60)
			wantSent(t, b, announced(7, 6, 11, 60, 1))
			wantHops(t, b, Hop{1, 11})
			continue
		}
		b.now = DefaultSettle
		b.Advance(b.now)
		wantSent(t, b, announced(7, 6, 21, 59, 2))
		wantHops(t, b, Hop{2, 21})
	}
}

func TestP7StaticRoutesWin(t *testing.T) {
	b := newBench(RIBSettings{})
	b.FaceUp(0, 1, 1)
	b.hear(1, 7, 5, 1, 60)
	b.AddStatic(0, meshPrefix, 2, 100)
	wantHops(t, b, Hop{1, 2}) // face 2 is not up
	b.FaceUp(0, 2, 1)
	wantHops(t, b, Hop{2, 100})
	b.AddStatic(0, meshPrefix, 2, 50)
	wantHops(t, b, Hop{2, 50})
	b.FaceDown(0, 2)
	wantHops(t, b, Hop{1, 2})
	b.FaceUp(0, 2, 1)
	if !b.RemoveStatic(0, meshPrefix, 2) || b.RemoveStatic(0, meshPrefix, 2) || b.RemoveStatic(1, meshPrefix, 2) {
		t.Error("RemoveStatic is wrong about what was there")
	}
	wantHops(t, b, Hop{1, 2})
}

func TestP7AtMostSoManyFromOneFace(t *testing.T) {
	b := newBench(RIBSettings{PerFace: 10})
	b.FaceUp(0, 1, 1)
	b.FaceUp(0, 2, 1)
	for origin := uint32(10); origin < 20; origin++ {
		wantReason(t, b.hear(1, origin, 1, 1, 60), drop.None)
	}
	wantReason(t, b.hear(1, 20, 1, 1, 60), drop.AnnouncementQuota)
	wantReason(t, b.hear(1, 10, 2, 1, 60), drop.None) // a renewal takes no more room
	wantReason(t, b.hear(2, 20, 1, 1, 60), drop.None)
	wantReason(t, b.hear(1, 20, 2, 1, 60), drop.AnnouncementQuota)
	wantReason(t, b.hear(1, 11, 2, 1, 0), drop.None)
	wantReason(t, b.hear(1, 20, 2, 1, 60), drop.None)
}

func TestP7FaceUpIsOffered(t *testing.T) {
	b := newBench(RIBSettings{FirstSeq: 50})
	b.FaceUp(0, 1, 1)
	b.hear(1, 7, 5, 10, 60)
	b.Originate(0, 0, meshPrefix, 3, time.Minute)
	b.take()
	b.now = 15 * time.Second
	b.FaceUp(b.now, 2, 1)
	own, heard := announced(1, 50, 3, 45, 0), announced(7, 5, 11, 45, 0)
	own.Only, heard.Only = 2, 2
	wantSent(t, b, own, heard)
	b.FaceUp(b.now, 1, 1) // again: what was learned there is not offered there
	own.Only = 1
	wantSent(t, b, own)
	b.FaceUp(b.now, 1, 0) // no change
	b.take()
	b.FaceUp(b.now, 1, 5)
	wantHops(t, b, Hop{1, 15})
}

func TestP7OwnNumbers(t *testing.T) {
	b := newBench(RIBSettings{FirstSeq: 0xFFFFFD})
	p := name.Prefix{}
	b.Originate(0, 0, p, 0, time.Minute)
	b.Originate(0, 0, p, 0, time.Minute)
	b.Originate(0, 0, p, 0, time.Minute)
	if !b.Withdraw(0, 0, p) || b.Withdraw(0, 0, p) || b.Withdraw(0, 1, p) {
		t.Error("Withdraw is wrong about what was there")
	}
	var seqs, lifetimes []int
	for _, s := range b.take() {
		seqs, lifetimes = append(seqs, int(s.FSEQ)), append(lifetimes, int(s.Lifetime))
	}
	if !slices.Equal(seqs, []int{0xFFFFFD, 0xFFFFFE, 1, 2}) { // 0xFFFFFF and 0 are skipped
		t.Errorf("numbered %x", seqs)
	}
	if !slices.Equal(lifetimes, []int{60, 60, 60, 0}) {
		t.Errorf("lifetimes %v", lifetimes)
	}
}

func TestP7OriginRenewsAtAThird(t *testing.T) {
	b := newBench(RIBSettings{FirstSeq: 100})
	b.Originate(0, 0, meshPrefix, 4, time.Minute)
	b.take()
	for at, ok := b.Next(); ok && at <= 20*time.Second; at, ok = b.Next() {
		b.now = at
		b.Advance(at)
	}
	if b.now != 20*time.Second {
		t.Errorf("renewed at %v", b.now)
	}
	wantSent(t, b, announced(1, 120, 4, 60, 0))
}

// After a start with a clock that is behind, our own Announcements of before come back with a newer FSEQ.
func TestP7OwnNumberJumps(t *testing.T) {
	b := newBench(RIBSettings{FirstSeq: 100})
	b.FaceUp(0, 1, 1)
	b.Originate(0, 0, meshPrefix, 0, time.Minute)
	b.take()
	wantReason(t, b.hear(1, 1, 100, 5, 60), drop.OwnAnnouncement)
	wantReason(t, b.hear(1, 1, 500, 5, 60), drop.OwnAnnouncement)
	wantSent(t, b) // too soon after the last: another node may have our id
	b.now = ownPause
	b.Advance(b.now)
	wantSent(t, b, announced(1, 501, 0, 60, 0))
	b.now = 2 * ownPause
	wantReason(t, b.hear(1, 1, 600, 5, 60), drop.OwnAnnouncement)
	wantSent(t, b, announced(1, 601, 0, 60, 0))
	b.Withdraw(b.now, 0, meshPrefix)
	b.take()
	b.now = 3 * ownPause
	b.hear(1, 1, 700, 5, 60)
	wantSent(t, b, announced(1, 701, 0, 0, 0)) // withdrawn stays withdrawn
}

// After a retraction the way that is taken up again may be dearer than before. What was announced before is still abroad,
// so the bound stays where it was.
func TestP7FeasibilityOutlivesARetraction(t *testing.T) {
	b := newBench(RIBSettings{})
	b.FaceUp(0, 1, 5)
	b.FaceUp(0, 2, 50)
	b.hear(1, 7, 1, 5, 60)
	b.hear(1, 7, 1, wire.CostUnreachable, 60)
	wantReason(t, b.hear(2, 7, 1, 8, 60), drop.None)
	wantHops(t, b, Hop{2, 58})
	wantReason(t, b.hear(1, 7, 1, 10, 60), drop.AnnouncementOld)
	wantReason(t, b.hear(1, 7, 1, 9, 60), drop.None)
}

// What one RIB says and does under any sequence of calls, checked against a log of what it sent.
func TestP7RIBAgainstItsLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(RIBSettings{PerFace: 2, Tombstones: 2, Settle: -1})
		best := map[uint32]Send{} // by origin: the best that was sent, by FSEQ, then cost
		up := map[FaceID]bool{}
		face := rapid.Custom(func(t *rapid.T) FaceID { return FaceID(rapid.Uint32Range(1, 3).Draw(t, "face")) })
		t.Repeat(map[string]func(*rapid.T){
			"hear": func(t *rapid.T) {
				cost := rapid.SampledFrom([]uint16{0, 1, 2, 3, 5, 9, 65000, wire.CostUnreachable}).Draw(t, "cost")
				b.hear(face.Draw(t, "from"), rapid.Uint32Range(2, 4).Draw(t, "origin"), rapid.Uint32Range(1, 4).Draw(t, "seq"), cost,
					rapid.SampledFrom([]uint16{0, 30, 60, 60, 9999}).Draw(t, "lifetime"))
			},
			"face up": func(t *rapid.T) {
				f := face.Draw(t, "up")
				b.FaceUp(b.now, f, rapid.SampledFrom([]uint16{0, 1, 4, 600}).Draw(t, "cost"))
				up[f] = true
			},
			"face down": func(t *rapid.T) {
				f := face.Draw(t, "down")
				b.FaceDown(b.now, f)
				delete(up, f)
			},
			"static":    func(t *rapid.T) { b.AddStatic(0, meshPrefix, face.Draw(t, "static"), 7) },
			"no static": func(t *rapid.T) { b.RemoveStatic(0, meshPrefix, face.Draw(t, "static")) },
			"wait": func(t *rapid.T) {
				b.now += time.Duration(rapid.IntRange(0, 40).Draw(t, "s")) * time.Second
				b.Advance(b.now)
			},
			"": func(t *rapid.T) {
				for _, s := range b.take() {
					checkSent(t, best, s)
				}
				checkRIB(t, b, best, up)
				for origin := range best {
					if _, known := b.index.Get(sourceKey{prefixKey(0, meshPrefix), origin}); !known {
						delete(best, origin) // its tombstone is gone: what comes is new
					}
				}
			},
		})
	})
}

func checkSent(t *rapid.T, best map[uint32]Send, s Send) {
	was, any := best[s.Origin]
	if s.Only != 0 || s.Lifetime == 0 || s.Cost == wire.CostUnreachable {
		if any && s.FSEQ != was.FSEQ && !wire.Newer(s.FSEQ, was.FSEQ) {
			t.Fatalf("sent %+v after %+v", s, was)
		}
		if s.Lifetime > 0 {
			return // an offer or a retraction promises nothing better
		}
	}
	if any && wire.Newer(was.FSEQ, s.FSEQ) && s.Lifetime > 0 {
		t.Fatalf("sent %+v after %+v", s, was)
	}
	if !any || wire.Newer(s.FSEQ, was.FSEQ) || s.FSEQ == was.FSEQ && s.Cost < was.Cost {
		best[s.Origin] = s
	}
}

func checkRIB(t *rapid.T, b *ribBench, best map[uint32]Send, up map[FaceID]bool) {
	var static, heard []Hop
	entries := 0
	add := func(hops []Hop, r Route) []Hop {
		if i := slices.IndexFunc(hops, func(h Hop) bool { return h.Face == r.Face }); i >= 0 {
			hops[i].Cost = min(hops[i].Cost, r.Cost)
			return hops
		}
		return append(hops, Hop{r.Face, r.Cost})
	}
	for _, r := range b.Routes(b.now) {
		if r.Static {
			if up[r.Face] {
				static = add(static, r)
			}
			continue
		}
		entries++
		said, any := best[r.Origin]
		faceCost, _ := b.faces.Get(r.Face)
		if !any || r.FSEQ != said.FSEQ || !up[r.Face] || r.Left <= 0 || r.Cost < wire.CostUnreachable && r.Cost-faceCost >= said.Cost {
			t.Fatalf("%+v is not feasible: best said %+v, face up %v", r, said, up[r.Face])
		}
		if r.Cost < wire.CostUnreachable {
			heard = add(heard, r)
		}
	}
	want := heard
	if len(static) > 0 {
		want = static
	}
	slices.SortFunc(want, compareHops)
	if !slices.Equal(b.hops(), want) || !slices.Equal(b.Hops(0, meshPrefix), want) {
		t.Fatalf("hops %v, want %v", b.hops(), want)
	}
	if entries != b.entries.Total() || b.graves > 2 || b.index.Len() > entries+2 {
		t.Fatalf("%d entries, %d counted, %d tombstones, %d routes", entries, b.entries.Total(), b.graves, b.index.Len())
	}
}

func TestRIBRenewalAllocatesNothing(t *testing.T) {
	b := newBench(RIBSettings{})
	b.set.OnSend = func(Send) {}
	b.FaceUp(0, 1, 1)
	seq := uint32(1)
	if n := testing.AllocsPerRun(1000, func() {
		seq++
		b.now += time.Second
		b.hear(1, 7, seq, 5, 60)
		b.Advance(b.now)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// A renewal of one of 1,000 routes.
func BenchmarkRIBRenewal(b *testing.B) {
	r := newBench(RIBSettings{})
	r.set.OnSend = func(Send) {}
	r.FaceUp(0, 1, 1)
	b.ReportAllocs()
	for i := uint32(0); b.Loop(); i++ {
		p := name.MakePrefix(name.FromUint48(uint64(i%1000)<<16), 4)
		r.Receive(0, 1, 0, p, i/1000, wire.Announced{Cost: 5, Lifetime: 60, Origin: 7})
	}
}

func BenchmarkRIBFaceDown(b *testing.B) {
	r := newBench(RIBSettings{})
	r.set.OnSend = func(Send) {}
	r.set.OnRoute = func(uint8, name.Prefix, []Hop) {}
	b.ReportAllocs()
	for i := uint32(0); b.Loop(); i++ {
		r.FaceUp(0, 1, 1)
		for j := range uint64(1000) {
			p := name.MakePrefix(name.FromUint48(j<<16), 4)
			r.Receive(0, 1, 0, p, i, wire.Announced{Cost: 5, Lifetime: 60, Origin: 7})
		}
		r.FaceDown(0, 1)
	}
}
