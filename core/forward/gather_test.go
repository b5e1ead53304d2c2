package forward_test

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// counting is a strategy whose decisions hang on everything that it has decided before under the same route, and which leaves something with every
// other Interest. It can be asked about several events at once.
type counting struct {
	together bool
	simple   bool // it sends everything to the first that works
	calls    int
	most     int // events of one call
	seen     []string
}

func (c *counting) Needs(n name.Name) forward.Needs {
	w := forward.WantScratch
	if c.together {
		w |= forward.WantTogether
	}
	if n[1]&1 == 0 && !c.simple { // two plugins under each route
		return forward.Needs{Owner: 1, Wants: w | forward.WantContent}
	}
	return forward.Needs{Owner: 2, Wants: w}
}

func (c *counting) Decide(ev *forward.Event, out []forward.Command) []forward.Command {
	c.calls++
	return c.decide(ev, out)
}

func (c *counting) DecideAll(events []forward.Event, out [][]forward.Command) {
	c.calls++
	c.most = max(c.most, len(events))
	for k := range events {
		out[k] = c.decide(&events[k], out[k])
	}
}

func (c *counting) decide(ev *forward.Event, out []forward.Command) []forward.Command {
	le := binary.LittleEndian
	n := ev.Seq
	if ev.Kind != forward.ReturnIn && ev.Kind != forward.TimerDue { // whose order may be another: two timers of one tick, a way that was asked before
		n = le.Uint32(ev.Route.Bytes[:]) + 1
		le.PutUint32(ev.Route.Bytes[:], n)
	}
	if ev.Pending != nil && n%2 == 0 {
		le.PutUint32(ev.Pending.Bytes[8:], n)
	}
	c.seen = append(c.seen, fmt.Sprint(ev.Kind, ev.Name, ev.Seq, ev.InFace, ev.Face, ev.Expiry, ev.Hops, n))
	if ev.Kind == forward.ContentIn {
		return out
	}
	if c.simple {
		n = 5
	}
	switch n % 7 {
	case 0:
		return append(out, forward.Command{Op: forward.SendReturn, Reason: wire.ReturnCongestion})
	case 1:
		return append(out, forward.Command{Op: forward.DropRequest})
	case 2:
		return append(out, forward.Command{Op: forward.SendAll}, forward.Command{Op: forward.SetTimer, Delay: 5 * time.Millisecond})
	case 3:
		return out
	case 4:
		return append(out, forward.Command{Op: forward.Repeat, Delay: 2 * time.Millisecond}, forward.Command{Op: forward.SendFirst, N: 1})
	}
	return append(out, forward.Command{Op: forward.SendFirst, N: 1})
}

// heard is a link that keeps what it is given.
type heard struct{ frames []string }

func (h *heard) Send(frames [][]byte) int {
	for _, f := range frames {
		h.frames = append(h.frames, string(f))
	}
	return len(frames)
}

func (*heard) Close() {}

// take gives what came since it was last called, in the order of its bytes: of two Interests for different names either may leave first.
func (h *heard) take() []string {
	defer func() { h.frames = nil }()
	slices.Sort(h.frames)
	return h.frames
}

// twin is one of two nodes to which the same happens.
type twin struct {
	n     *forward.Node
	in    *forward.Ingress
	s     *counting
	faces []*forward.Face
	links []*heard
}

func newTwin(k *kit, together bool) *twin {
	w := &twin{s: &counting{together: together}}
	cfg := k.config(1, 1, limits(func(l *forward.Limits) { l.PIT, l.Wildcards = 40, 8 }))
	cfg.Seed, cfg.Random = table.Seed{1, 2}, func() uint64 { return 3 }
	cfg.Strategy = func(int) forward.Strategy { return w.s }
	var err error
	if w.n, err = forward.New(cfg); err != nil {
		k.Fatal(err)
	}
	w.in = w.n.Ingress()
	now := forward.Now{Mono: time.Hour, Wall: mesh.Epoch}
	for i := range 5 {
		c := forward.FaceConfig{Broadcast: i == 4}
		if i == 0 {
			c = plain() // may publish
		}
		w.links = append(w.links, &heard{})
		f, err := w.n.AddFace(now, c, w.links[i])
		if err != nil {
			k.Fatal(err)
		}
		w.faces = append(w.faces, f)
	}
	for _, r := range []struct {
		prefix string
		face   int
	}{{"02", 2}, {"02", 3}, {"0203", 3}, {"02", 4}} {
		w.n.AddRoute(now, 0, prefix(r.prefix), w.faces[r.face].ID(), uint16(r.face))
	}
	return w
}

// burst is frames of several faces that are read at once.
func (w *twin) burst(now forward.Now, frames []arrival) {
	w.in.Begin(now)
	for _, a := range frames {
		w.in.Add(w.faces[a.face], slices.Clone(a.raw))
	}
	w.in.Run()
}

type arrival struct {
	face int
	raw  []byte
}

// drawFrame draws a frame of few names and numbers, so that many hang on each other.
func drawFrame(t *rapid.T, k *kit) arrival {
	h := wire.Header{Name: nm("020000000000"), TTL: uint8(rapid.IntRange(0, 7).Draw(t, "ttl"))}
	h.Name[1], h.Name[2] = byte(rapid.IntRange(1, 5).Draw(t, "name")), byte(rapid.IntRange(1, 3).Draw(t, "name"))
	h.Seq = uint32(rapid.IntRange(0, 4).Draw(t, "seq"))
	a := wire.MakeAsked(mesh.Epoch+int64(rapid.IntRange(0, 2).Draw(t, "asked")), uint16(rapid.IntRange(0, 3).Draw(t, "expiry")))
	payload := a[:]
	switch rapid.IntRange(0, 11).Draw(t, "type") {
	case 0, 1:
		h.Type, h.Seq, payload = wire.Content, max(h.Seq, 1), []byte("21.5")
	case 2:
		h.Type = wire.Return
		back := wire.Returned{Reason: wire.ReturnReason(rapid.IntRange(1, 6).Draw(t, "reason")), Asked: a, Node: 9}
		payload = back.Append(nil)
	case 3:
		h.Seq = wire.SeqSubscribe
	case 4:
		h.Name[2] = 0xFF // a wildcard
	}
	return arrival{rapid.IntRange(0, 4).Draw(t, "face"), k.frame(h, payload)}
}

// What is decided together is decided as if one event had come after the other: the same events, the same frames out of each face, the same counters.
func TestTogetherIsAsOneByOne(t *testing.T) {
	calls, alone := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		k := newKit(&testing.B{}, 1)
		one, all := newTwin(k, false), newTwin(k, true)
		now := forward.Now{Mono: time.Hour, Wall: mesh.Epoch}
		for range rapid.IntRange(1, 6).Draw(t, "bursts") {
			var frames []arrival
			for range rapid.IntRange(1, 100).Draw(t, "frames") {
				frames = append(frames, drawFrame(t, k))
			}
			now = later(now, time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms"))*time.Millisecond)
			for _, w := range []*twin{one, all} {
				w.n.Advance(now)
				w.burst(now, frames)
			}
			compare(t, one, all)
		}
		now = later(now, time.Minute)
		for _, w := range []*twin{one, all} {
			w.n.Advance(now)
		}
		compare(t, one, all)
		if s := all.n.Worker(0).Stats(); s.PIT != 0 {
			t.Fatalf("%d entries are left", s.PIT)
		}
		calls, alone = calls+all.s.calls, alone+one.s.calls
	})
	if calls >= alone {
		t.Errorf("%d calls for %d", calls, alone)
	}
}

func compare(t *rapid.T, one, all *twin) {
	t.Helper()
	if a, b := sortedOf(&one.s.seen), sortedOf(&all.s.seen); !slices.Equal(a, b) {
		t.Fatalf("told one by one:\n%s\ntogether:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	for i := range one.links {
		if a, b := one.links[i].take(), all.links[i].take(); !slices.Equal(a, b) {
			t.Fatalf("face %d: %d frames one by one, %d together:\n%x\n%x", i, len(a), len(b), a, b)
		}
		if a, b := one.faces[i].Counters(), all.faces[i].Counters(); !reflect.DeepEqual(a, b) {
			t.Fatalf("face %d: %+v one by one, %+v together", i, a, b)
		}
	}
	if a, b := one.n.Worker(0).Stats(), all.n.Worker(0).Stats(); a != b {
		t.Fatalf("%+v one by one, %+v together", a, b)
	}
}

func sortedOf(list *[]string) []string {
	own := *list
	*list = nil
	slices.Sort(own)
	return own
}

// Numbers that begin anew answer Interests for others of them (P-1), also those on which nobody has decided yet.
func TestGatheredIsAnsweredBeforeItIsDecided(t *testing.T) {
	s := &counting{together: true, simple: true}
	r := newRigWith(t, func(c *forward.Config) { c.Strategy = func(int) forward.Strategy { return s } })
	now := r.now()
	for _, seq := range []uint32{5000, 5001, 4000, 4001} { // the last two are kept aside
		r.put(now, r.sensor, r.content(temp, seq, "x"))
	}
	r.in.Begin(now)
	r.in.Add(r.reader, r.interest(temp, 4000, 60))
	r.in.Add(r.reader, r.interest(temp, 9000, 60))
	r.in.Add(r.sensor, r.content(temp, 4002, "x"))
	r.in.Run()
	if w := r.n.Worker(0).Stats(); r.toReader.frames != 1 || w.PIT != 1 || w.Satisfied != 1 || s.most != 2 {
		t.Errorf("%d frames to the reader, %d decided together, %+v", r.toReader.frames, s.most, w)
	}
}

// A full burst is one call, what is more than that another, and a frame that comes alone is not kept waiting.
func TestABurstIsOneCall(t *testing.T) {
	s := &counting{together: true, simple: true}
	r := newRigWith(t, func(c *forward.Config) { c.Strategy = func(int) forward.Strategy { return s } })
	f := r.rounds(1)
	for _, c := range []struct{ frames, calls, most int }{{64, 1, 64}, {70, 2, 64}, {1, 1, 1}} {
		s.calls, s.most = 0, 1
		r.burst(r.now(), r.reader, f.asks[:c.frames])
		f.asks = f.asks[c.frames:]
		if s.calls > c.calls+1 || s.most < c.most-4 { // two names may have one mark
			t.Errorf("%d Interests: %d calls, %d at once at most", c.frames, s.calls, s.most)
		}
	}
	if r.toUp.frames != 135 {
		t.Errorf("%d of 135 Interests went on", r.toUp.frames)
	}
}
