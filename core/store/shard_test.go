package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// rig drives a shard with a clock of its own.
type rig struct {
	t      testing.TB
	s      *Shard
	now    time.Duration
	wall   int64
	share  float64 // of what is put
	events []Event
}

const testWall = 1_700_000_000_000

func newRig(t testing.TB, cfg Config) *rig {
	r := &rig{t: t, now: time.Second, wall: testWall}
	if cfg.MaxRatePerName == 0 {
		cfg.MaxRatePerName = Unlimited
	}
	if cfg.HourBytes == 0 {
		cfg.HourBytes = 1 << 40
	}
	cfg.Seed = [2]uint64{1, 2}
	cfg.Now, cfg.Wall = r.now, r.wall
	cfg.Event = func(e Event) { r.events = append(r.events, e) }
	r.s = NewShard(cfg)
	return r
}

func (r *rig) pass(d time.Duration) {
	r.now += d
	r.wall += d.Milliseconds()
	r.s.Advance(r.now, r.wall)
}

// bodyOf makes a body that looks like a frame's: name, FCTRL, FSEQ, payload, four bytes for the MAC.
func bodyOf(k name.Key, seq uint32, payload string) []byte {
	n := k.Name()
	b := append(n[:], 1, byte(seq>>16), byte(seq>>8), byte(seq))
	b = append(b, payload...)
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return binary.BigEndian.AppendUint32(b, h)
}

// put stores a content from the producer face (face 1).
func (r *rig) put(k name.Key, seq uint32, payload string) Outcome {
	return *r.s.Put(&Put{Key: k, Seq: seq, Body: bodyOf(k, seq, payload), Now: r.now, Wall: r.wall, Face: 1, Producer: true, Share: r.share})
}

// relay stores one that came from elsewhere (face 2).
func (r *rig) relay(k name.Key, seq uint32, payload string) Outcome {
	return *r.s.Put(&Put{Key: k, Seq: seq, Body: bodyOf(k, seq, payload), Now: r.now, Wall: r.wall, Face: 2})
}

func (r *rig) want(out Outcome, v Verdict, newest bool) {
	r.t.Helper()
	if out.Verdict != v || out.Newest != newest {
		r.t.Fatalf("outcome is %v (newest %v, cause %v), want %v (newest %v)", out.Verdict, out.Newest, out.Cause, v, newest)
	}
}

func (r *rig) wantExact(k name.Key, seq uint32, payload string) {
	r.t.Helper()
	body, st := r.s.Exact(k, seq)
	if st != Hit || !bytes.Equal(body, bodyOf(k, seq, payload)) {
		r.t.Fatalf("exact %d is %v %x, want hit with %q", seq, st, body, payload)
	}
}

func (r *rig) wantMiss(k name.Key, seq uint32) {
	r.t.Helper()
	if _, st := r.s.Exact(k, seq); st != Miss {
		r.t.Fatalf("exact %d is %v, want a miss", seq, st)
	}
}

func (r *rig) wantNewest(k name.Key, seq uint32, payload string) {
	r.t.Helper()
	n, st := r.s.Newest(k)
	if st != Hit || n.Seq != seq || !bytes.Equal(n.Body, bodyOf(k, seq, payload)) {
		r.t.Fatalf("newest is %v number %d %x, want number %d with %q", st, n.Seq, n.Body, seq, payload)
	}
}

func key(i int) name.Key { return name.Key(0x010000000000 + uint64(i)) }

func TestAnswersExactAndNewest(t *testing.T) {
	r := newRig(t, Config{})
	k := key(1)
	r.wantMiss(k, 1)
	if _, st := r.s.Newest(k); st != Miss {
		t.Fatalf("newest of an unknown name is %v", st)
	}
	if _, ok := r.s.Known(k); ok {
		t.Fatal("an unknown name is known")
	}
	r.want(r.put(k, 1, "a"), Stored, true)
	r.want(r.put(k, 2, "b"), Stored, true)
	r.want(r.put(k, 4, "d"), Stored, true)
	r.want(r.relay(k, 3, "c"), Stored, false)
	r.wantExact(k, 1, "a")
	r.wantExact(k, 3, "c")
	r.wantNewest(k, 4, "d")
	r.wantMiss(k, 5)
	n, _ := r.s.Newest(k)
	if n.Arrived != r.now || n.Face != 1 || !n.Producer || n.Covered || !n.Published || n.Stale {
		t.Fatalf("newest is %+v", n)
	}
	known, ok := r.s.Known(k)
	want := Known{Newest: 4, Ext: firstEpoch | 4, Stored: firstEpoch | 4, Lowest: 1, LowestExt: firstEpoch | 1, Published: true, Class: Memory}
	if !ok || *known != want {
		t.Fatalf("known is %+v, want %+v", known, want)
	}
	if st := r.s.Stats(); st.Stored != 4 || st.Late != 1 || st.Names != 1 || st.Entries != 4 {
		t.Fatalf("stats are %+v", st)
	}
}

func TestNetworksAreApart(t *testing.T) {
	r := newRig(t, Config{})
	a, b := name.MakeKey(0, name.Name{}), name.MakeKey(1, name.Name{})
	r.put(a, 1, "a")
	r.wantMiss(b, 1)
	r.put(b, 1, "b")
	r.wantExact(a, 1, "a")
	r.wantExact(b, 1, "b")
}

func TestRetentionIsExactOnRead(t *testing.T) {
	r := newRig(t, Config{Retention: time.Hour, Rules: []Rule{
		{Prefix: name.Name{2}, Length: 1, Retention: time.Minute},
		{Prefix: name.Name{2, 1}, Length: 2, KeepNewest: true, Retention: time.Minute},
	}})
	long, short, kept := key(1), name.Key(0x020200000000), name.Key(0x020100000000)
	for _, k := range []name.Key{long, short, kept} {
		r.put(k, 1, "a")
		r.put(k, 2, "b")
	}
	r.pass(time.Minute)
	r.wantExact(short, 1, "a")
	r.pass(time.Nanosecond)
	r.wantMiss(short, 1)
	if _, st := r.s.Newest(short); st != Miss {
		t.Fatalf("newest past its retention is %v", st)
	}
	r.wantMiss(kept, 1)
	r.wantExact(kept, 2, "b")
	r.wantNewest(kept, 2, "b")
	r.wantNewest(long, 2, "b")
	r.pass(time.Hour)
	for range 4 {
		r.pass(time.Second)
	}
	r.wantMiss(long, 2)
	r.wantNewest(kept, 2, "b")
	if st := r.s.Stats(); st.Entries != 1 || st.Evicted[EvictedAge] != 5 {
		t.Fatalf("stats are %+v", st)
	}
	r.pass(1000 * time.Hour)
	r.wantNewest(kept, 2, "b")
}

func TestIdleLogIsSmall(t *testing.T) {
	r := newRig(t, Config{LogBytes: 1 << 20, Retention: time.Minute})
	for i := range uint32(4000) {
		r.put(key(1), i+1, "some more bytes so that segments fill up")
	}
	if r.s.log.segments() < 4 {
		t.Fatalf("the log has %d segments", r.s.log.segments())
	}
	for range 100 {
		r.pass(time.Minute)
	}
	if st := r.s.Stats(); st.Entries != 0 || st.Bytes != 0 || r.s.log.segments() != 1 {
		t.Fatalf("an idle log has %d segments; %+v", r.s.log.segments(), st)
	}
}

func TestFullLogKeepsNewestOfQuietNames(t *testing.T) {
	r := newRig(t, Config{LogBytes: 64 << 10})
	for i := range 20 {
		r.put(key(i), 7, "quiet")
	}
	for i := range uint32(20000) {
		r.want(r.put(key(99), i+1, "busy"), Stored, true)
	}
	for i := range 20 {
		r.wantNewest(key(i), 7, "quiet")
		r.wantExact(key(i), 7, "quiet")
	}
	r.wantMiss(key(99), 1)
	r.wantExact(key(99), 20000, "busy")
	st := r.s.Stats()
	if st.Bytes > 80<<10 || st.Evicted[EvictedSpace] == 0 || st.Entries+int(st.Evicted[EvictedSpace]) != 20020 {
		t.Fatalf("stats are %+v", st)
	}
	if known, _ := r.s.Known(key(99)); known.Lowest < 10000 {
		t.Fatalf("lowest is %d", known.Lowest)
	}
}

// What a building's thousand quiet devices published in one minute fills segments of the log by itself.
func TestFullLogKeepsQuietNamesSideBySide(t *testing.T) {
	r := newRig(t, Config{LogBytes: 1 << 20})
	r.put(key(0), 1, "before")
	for i := range 1000 {
		r.put(key(i+1), 7, "quiet for a long time, and published side by side")
	}
	for i := range uint32(100_000) { // the log turns round five times
		r.want(r.put(key(5000), i+1, "busy"), Stored, true)
	}
	for i := range 1000 {
		r.wantNewest(key(i+1), 7, "quiet for a long time, and published side by side")
	}
	if st := r.s.Stats(); st.Bytes > 1<<20+64<<10 {
		t.Fatalf("stats are %+v", st)
	}
}

// However many newest contents lie side by side, room for one more is found after a bounded number of segments.
func TestRoomIsMadeInBoundedTime(t *testing.T) {
	r := newRig(t, Config{LogBytes: 4 << 20})
	last := r.s.log.first
	for i := range 100_000 {
		r.want(r.put(key(i), 1, "the newest of its name, as all others"), Stored, true)
		if gone := r.s.log.first - last; gone > maxSaved+1 {
			t.Fatalf("%d segments went for one content", gone)
		}
		last = r.s.log.first
	}
	if st := r.s.Stats(); st.Bytes > 4<<20+64<<10 || st.Evicted[EvictedSpace] == 0 {
		t.Fatalf("stats are %+v", st)
	}
}

func TestFullLogOfNewestGivesWay(t *testing.T) {
	r := newRig(t, Config{LogBytes: 64 << 10})
	for i := range 5000 {
		r.want(r.put(key(i), 1, "x"), Stored, true)
	}
	r.wantNewest(key(4999), 1, "x")
	if st := r.s.Stats(); st.Bytes > 80<<10 || st.Names != 5000 {
		t.Fatalf("stats are %+v", st)
	}
}

func TestEntriesAreBounded(t *testing.T) {
	r := newRig(t, Config{MaxEntries: 100})
	for i := range 5000 {
		r.put(key(i%7), uint32(i+1), "x")
		if r.s.records > 100 {
			t.Fatalf("%d entries", r.s.records)
		}
	}
	r.wantNewest(key(4999%7), 5000, "x")
}

func TestNamesAreBounded(t *testing.T) {
	r := newRig(t, Config{MaxNames: 10, Retention: time.Minute})
	r.share = 1
	for i := range 10 {
		r.want(r.put(key(i), 1, "x"), Stored, true)
	}
	out := r.put(key(10), 1, "x")
	if out.Verdict != NotKept || out.Cause != NamesFull || !out.Newest {
		t.Fatalf("outcome is %+v", out)
	}
	if len(r.events) != 1 || r.events[0].Kind != NamesExhausted {
		t.Fatalf("events are %v", r.events)
	}
	r.put(key(11), 1, "x")
	if len(r.events) != 1 {
		t.Fatal("the event came twice within an hour")
	}
	r.pass(2 * time.Minute)
	r.want(r.put(key(10), 1, "x"), Stored, true)
	r.wantNewest(key(10), 1, "x")
	if st := r.s.Stats(); st.Names != 10 || st.NamesForgotten != 1 {
		t.Fatalf("stats are %+v", st)
	}
}

func TestP22RatePerName(t *testing.T) {
	r := newRig(t, Config{MaxRatePerName: 60, Rules: []Rule{{Prefix: name.Name{2}, Length: 1, MaxRatePerName: 600}}})
	for i := range uint32(60) {
		r.want(r.put(key(1), i+1, "x"), Stored, true)
	}
	out := r.put(key(1), 61, "x")
	if out.Verdict != NotKept || out.Cause != Rate || !out.Newest {
		t.Fatalf("outcome is %+v", out)
	}
	if n, st := r.s.Newest(key(1)); st != Hit || n.Seq != 60 || !n.Stale {
		t.Fatalf("newest is %v %+v", st, n)
	}
	r.pass(time.Second)
	r.want(r.put(key(1), 62, "x"), Stored, true)
	if n, _ := r.s.Newest(key(1)); n.Stale {
		t.Fatal("newest is still stale")
	}
	if out := r.put(key(1), 63, "x"); out.Cause != Rate {
		t.Fatalf("outcome is %+v", out)
	}
	for i := range uint32(600) {
		r.want(r.put(0x020000000000, i+1, "x"), Stored, true)
	}
}

func TestP22FaceShare(t *testing.T) {
	r := newRig(t, Config{HourBytes: 10 * 56 / faceShare})
	for i := range uint32(10) {
		r.want(r.put(key(1), i+1, "x"), Stored, true)
	}
	if out := r.put(key(2), 1, "x"); out.Cause != FaceShare || r.s.Stats().NotKept[FaceShare] != 1 {
		t.Fatalf("outcome is %+v", out)
	}
	r.want(r.relay(key(2), 1, "x"), Stored, true)
	p := Put{Key: key(3), Seq: 1, Body: bodyOf(key(3), 1, "x"), Now: r.now, Face: 1, Share: 2 * faceShare}
	r.want(*r.s.Put(&p), Stored, true)
	r.pass(time.Hour)
	r.want(r.put(key(4), 1, "x"), Stored, true)
}

// A face that floods the store with new names, 100,000 a second for ten seconds, leaves the others' contents, names and rates as they were.
func TestP22FloodOfNames(t *testing.T) {
	for name, backend := range map[string]Backend{"memory": nil, "disk": newShelf()} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{Backend: backend, Class: Buffered, MaxNames: 8000, LogBytes: 8 << 20, HourBytes: 8 << 20, MaxRatePerName: 60})
			for i := range 1000 {
				r.want(r.put(key(i), 1, "before"), Stored, true)
			}
			for i := range 1_000_000 {
				if r.now += 10 * time.Microsecond; i%100_000 == 0 {
					r.pass(0)
				}
				k := key(1<<20 + i)
				r.s.Put(&Put{Key: k, Seq: 1, Body: bodyOf(k, 1, "flood"), Now: r.now, Wall: r.wall, Face: 9, Producer: true})
				if i%10_000 == 0 && backend != nil {
					r.settle()
				}
			}
			for i := range 1000 {
				r.wantBody(key(i), 1, "before")
				r.want(r.put(key(i), 2, "after"), Stored, true)
				r.want(r.put(key(2000+i), 1, "a new name"), Stored, true)
			}
			if st := r.s.Stats(); st.NotKept[FaceShare] < 900_000 || st.NotKept[NamesFull] != 0 || st.Names > 4100 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// wantBody asks memory and then the backend.
func (r *rig) wantBody(k name.Key, seq uint32, payload string) {
	r.t.Helper()
	body, _ := r.s.Exact(k, seq)
	if r.s.cfg.Backend != nil && body == nil {
		body = r.fetch(k, seq)
	}
	if !bytes.Equal(body, bodyOf(k, seq, payload)) {
		r.t.Fatalf("exact %d of %x is %x", seq, k, body)
	}
}

func TestP14NeverCached(t *testing.T) {
	r := newRig(t, Config{})
	out := r.s.Put(&Put{Key: key(1), Seq: 1, Body: bodyOf(key(1), 1, "x"), Now: r.now, NeverCache: true})
	if out.Verdict != NotKept || out.Cause != NeverCached || !out.Newest || r.s.Stats().Names != 0 {
		t.Fatalf("outcome is %+v", out)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	r := newRig(t, Config{LogBytes: 256 << 10, MaxRatePerName: 60, HourBytes: 1 << 40})
	body := bodyOf(key(1), 1, "twenty bytes of data")
	p := Put{Body: body, Now: r.now, Face: 3, Producer: true}
	i := uint32(0)
	step := func() {
		i++
		p.Key, p.Seq, p.Now = key(int(i%100)), i/100+1, p.Now+time.Second
		binary.BigEndian.PutUint32(body[10:], i)
		if out := r.s.Put(&p); out.Verdict != Stored {
			t.Fatalf("put %d: %+v", i, out)
		}
		if _, st := r.s.Exact(p.Key, p.Seq); st != Hit {
			t.Fatal(st)
		}
		if _, st := r.s.Newest(p.Key); st != Hit {
			t.Fatal(st)
		}
	}
	for range 20000 {
		step()
	}
	if n := testing.AllocsPerRun(20000, step); n != 0 {
		t.Fatalf("%v allocations for put, exact and newest", n)
	}
}

func TestNamesOfThings(t *testing.T) {
	for _, v := range []fmt.Stringer{Durable, Stored, Suspect, NotKept, Uncommitted, Unwritten, QueueFull, EpochOpened, JumpConfirmed} {
		if s := v.String(); s == "" || s == "unknown" {
			t.Fatalf("%T has no name", v)
		}
	}
	for _, v := range []fmt.Stringer{Class(99), Verdict(99), Status(99), Cause(99), EventKind(99)} {
		if v.String() != "unknown" {
			t.Fatalf("%T(99) is %q", v, v)
		}
	}
}

func TestRuleFor(t *testing.T) {
	c := Config{Class: Durable, Backend: newShelf(), Rules: []Rule{
		{Prefix: name.Name{1}, Length: 1, Retention: time.Minute},
		{Prefix: name.Name{1, 2}, Length: 2, Class: Memory},
		{Prefix: name.Name{1, 2}, Length: 2, Class: Buffered}, // the first of two for one prefix holds
	}}
	s := NewShard(c)
	for k, want := range map[name.Key]Rule{
		0x010100000000: {Prefix: name.Name{1}, Length: 1, Retention: time.Minute, Class: Durable, MaxRatePerName: 60},
		0x010200000000: {Prefix: name.Name{1, 2}, Length: 2, Retention: 24 * time.Hour, Class: Memory, MaxRatePerName: 60},
		0x020000000000: {Retention: 24 * time.Hour, Class: Durable, MaxRatePerName: 60},
	} {
		if got := c.RuleFor(k); got != want {
			t.Errorf("rule for %x is %+v, want %+v", k, got, want)
		}
		if got := s.rules[ruleIndex(s.rules, k)]; got != want {
			t.Errorf("the shard's rule for %x is %+v, want %+v", k, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { c.RuleFor(0x010200000000) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A copy of the newest says that it is the newest still (P-15), and who says so; it is not kept longer for that.
func TestP15HeardAgain(t *testing.T) {
	r := newRig(t, Config{Retention: time.Hour})
	k := key(1)
	r.want(r.relay(k, 5, "a"), Stored, true)
	first := r.now
	r.pass(50 * time.Minute)
	r.want(r.put(k, 5, "a"), Duplicate, false)
	if n, _ := r.s.Newest(k); n.Arrived != first || n.Heard != r.now || n.Face != 1 || !n.Producer {
		t.Errorf("%+v, want it arrived at %s, heard at %s from the producer", n, first, r.now)
	}
	r.pass(11 * time.Minute)
	if _, st := r.s.Newest(k); st != Miss {
		t.Errorf("%v after its retention", st)
	}
}

// Faces come and go: of those whose names are forgotten nothing is kept.
func TestP22NothingIsKeptOfFacesThatBroughtNothing(t *testing.T) {
	r := newRig(t, Config{MaxNames: 64, LogBytes: 32 << 10, Retention: time.Minute})
	for face := range uint32(1000) {
		k := key(int(face))
		r.s.Put(&Put{Key: k, Seq: 1, Body: bodyOf(k, 1, filler), Now: r.now, Wall: r.wall, Face: face + 1, Producer: true})
		r.pass(time.Minute)
	}
	if r.s.brought.n > 64 {
		t.Errorf("%d faces are counted, %d names known", r.s.brought.n, r.s.ids.n)
	}
}

// Numbers that go on between old ones show that no epoch begins: the old ones are stragglers.
func TestP1AnUpstreamThatGoesOnOpensNoEpoch(t *testing.T) {
	r := newRig(t, Config{})
	push := func(seq uint32) Outcome {
		return *r.s.Put(&Put{Key: key(1), Seq: seq, Body: bodyOf(key(1), seq, "x"), Now: r.now, Wall: r.wall, Face: 2, Upstream: true})
	}
	r.want(push(1000), Stored, true)
	r.want(push(20), Suspect, false)
	r.want(push(21), Suspect, false)
	r.want(push(1001), Stored, true)
	if out := push(22); out.Epoch || out.Verdict != Suspect {
		t.Errorf("%+v", out)
	}
}
