package store

import (
	"fmt"
	"testing"
	"time"
)

const top24 = 0xFFFFFE

func TestP1PlacesNumbers(t *testing.T) {
	const e = 1 << 24
	for _, c := range []struct {
		top  uint64
		seq  uint32
		ext  uint64
		step step
	}{
		{5*e + 10, 11, 5*e + 11, ahead},
		{5*e + 10, 10, 5*e + 10, same},
		{5*e + 10, 9, 5*e + 9, late},
		{5*e + 100, 36, 5*e + 36, late},
		{5*e + 100, 35, 5*e + 35, back},
		{5*e + 10, 10 + farAhead, 5*e + 10 + farAhead, ahead},
		{5*e + 10, 11 + farAhead, 5*e + 11 + farAhead, far},
		{5*e + top24, 1, 6*e + 1, ahead},
		{5*e + 3, top24, 4*e + top24, late},
		{5*e + 3, top24 - 100, 4*e + top24 - 100, back},
		{5*e + 1, 1 + 1<<23, 4*e + 1 + 1<<23, back},
		{5*e + 1, 1<<23 - 1, 5*e + 1<<23 - 1, far},
		{e + 1, top24, top24, late},
	} {
		if ext, st := place(c.top, c.seq); ext != c.ext || st != c.step {
			t.Errorf("place(%#x, %#x) = %#x, %d; want %#x, %d", c.top, c.seq, ext, st, c.ext, c.step)
		}
	}
}

func TestP1WrapContinuesAsNextEpoch(t *testing.T) {
	r := newRig(t, Config{})
	k := key(1)
	r.put(k, top24-1, "a")
	r.want(r.put(k, top24, "b"), Stored, true)
	out := r.put(k, 1, "c")
	r.want(out, Stored, true)
	if out.Ext != 2<<24|1 || out.Epoch {
		t.Fatalf("outcome is %+v", out)
	}
	if len(r.events) != 1 || r.events[0].Kind != EpochWrapped {
		t.Fatalf("events are %+v", r.events)
	}
	if out := r.relay(k, top24-2, "late"); out.Ext != 1<<24|uint64(top24-2) || out.Newest {
		t.Fatalf("a late number is %+v", out)
	}
	r.wantNewest(k, 1, "c")
	r.wantExact(k, top24, "b")
}

func TestP1LateNumbersAreStored(t *testing.T) {
	r := newRig(t, Config{})
	r.put(key(1), 100, "new")
	r.want(r.put(key(1), 36, "64 below"), Stored, false)
	r.want(r.relay(key(1), 2, "98 below, from elsewhere"), Stored, false)
	r.wantNewest(key(1), 100, "new")
	r.wantExact(key(1), 2, "98 below, from elsewhere")
}

func TestP1NewEpochNeedsThreeConsecutive(t *testing.T) {
	r := newRig(t, Config{})
	k := key(1)
	r.put(k, 5000, "old")
	r.want(r.put(k, 1, "one"), Suspect, false)
	r.want(r.put(k, 2, "two"), Suspect, false)
	r.wantNewest(k, 5000, "old")
	r.wantMiss(k, 1)
	out := r.put(k, 3, "three")
	r.want(out, Stored, true)
	if !out.Epoch || out.Ext != 2<<24|3 || len(out.Released) != 2 {
		t.Fatalf("outcome is %+v", out)
	}
	for i, f := range out.Released {
		want := string(bodyOf(k, uint32(i+1), []string{"one", "two"}[i]))
		if f.Seq != uint32(i+1) || f.Ext != 2<<24|uint64(i+1) || string(f.Body) != want || f.Face != 1 {
			t.Fatalf("released %d is %+v", i, f)
		}
	}
	r.wantNewest(k, 3, "three")
	r.wantExact(k, 1, "one")
	r.wantExact(k, 5000, "old")
	r.want(r.put(k, 4, "four"), Stored, true)
	if len(r.events) != 1 || r.events[0].Kind != EpochOpened || r.events[0].Ext != 2<<24|1 {
		t.Fatalf("events are %+v", r.events)
	}
	if st := r.s.Stats(); st.Epochs != 1 || st.Suspects != 2 || st.Suspected != 0 || st.SuspectsLost != 0 {
		t.Fatalf("stats are %+v", st)
	}
}

func TestP1NewEpochOnlyFromProducerFace(t *testing.T) {
	r := newRig(t, Config{})
	r.put(key(1), 5000, "old")
	for seq := range uint32(10) {
		r.want(r.relay(key(1), seq+1, "x"), Stored, false)
	}
	r.wantNewest(key(1), 5000, "old")
}

func TestP1ExactIsTheMostRecentlyStored(t *testing.T) {
	r := newRig(t, Config{})
	k := key(1)
	for i := range uint32(100) {
		r.put(k, i+1, "first life")
	}
	for i := range uint32(3) {
		r.put(k, i+1, "second life")
	}
	r.wantExact(k, 2, "second life")
	r.wantExact(k, 50, "first life")
	r.wantNewest(k, 3, "second life")
	r.want(r.put(k, 2, "first life"), Duplicate, false)
}

func TestP1ReplayOpensNoEpoch(t *testing.T) {
	r := newRig(t, Config{})
	for i := range uint32(1000) {
		r.put(key(1), i+1, "x")
	}
	for i := range uint32(500) {
		r.want(r.put(key(1), i+1, "x"), Duplicate, false)
	}
	r.wantNewest(key(1), 1000, "x")
	// One frame of the replay was not stored before: it does not open an epoch with stored ones around it.
	r2 := newRig(t, Config{})
	for i := range uint32(1000) {
		if i != 10 {
			r2.put(key(1), i+1, "x")
		}
	}
	for i := range uint32(500) {
		r2.put(key(1), i+1, "x")
	}
	r2.wantNewest(key(1), 1000, "x")
}

func TestP1NonConsecutiveRestarts(t *testing.T) {
	r := newRig(t, Config{})
	k := key(1)
	r.put(k, 5000, "old")
	for _, seq := range []uint32{1, 2, 4, 5, 7, 9, 10} {
		r.want(r.put(k, seq, "x"), Suspect, false)
	}
	out := r.put(k, 11, "x")
	if !out.Epoch || out.Released[0].Seq != 9 {
		t.Fatalf("outcome is %+v", out)
	}
}

func TestP1RepeatedSuspectDoesNotRestart(t *testing.T) {
	r := newRig(t, Config{})
	r.put(key(1), 5000, "old")
	for _, seq := range []uint32{1, 1, 2, 2, 2} {
		r.want(r.put(key(1), seq, "x"), Suspect, false)
	}
	if out := r.put(key(1), 3, "x"); !out.Epoch {
		t.Fatalf("outcome is %+v", out)
	}
}

func TestP1SuspectsExpire(t *testing.T) {
	r := newRig(t, Config{SuspectHold: time.Hour, Retention: 1000 * time.Hour})
	r.put(key(1), 5000, "old")
	r.put(key(1), 1, "x")
	r.put(key(1), 2, "x")
	r.pass(time.Hour + 1)
	r.want(r.put(key(1), 3, "x"), Suspect, false)
	if st := r.s.Stats(); st.SuspectsLost != 2 {
		t.Fatalf("stats are %+v", st)
	}
}

func TestP1SuspectsAreBounded(t *testing.T) {
	r := newRig(t, Config{MaxSuspects: 4})
	for i := range 10 {
		r.put(key(i), 5000, "old")
		r.pass(time.Second)
		r.put(key(i), 1, "x")
		r.put(key(i), 2, "x")
	}
	if st := r.s.Stats(); st.Suspected != 4 || st.SuspectsLost != 12 {
		t.Fatalf("stats are %+v", st)
	}
	if out := r.put(key(9), 3, "x"); !out.Epoch {
		t.Fatalf("outcome is %+v", out)
	}
	r.want(r.put(key(0), 3, "x"), Suspect, false)
}

func TestP1NewcomerAheadDoesNotWaitForSuspects(t *testing.T) {
	r := newRig(t, Config{})
	r.put(key(1), 2, "x")
	r.want(r.put(key(1), 2, "odd"), Suspect, false)
	r.want(r.put(key(1), 3, "honest"), Stored, true)
	r.want(r.put(key(1), 4, "honest"), Stored, true)
}

func TestP17FirstStays(t *testing.T) {
	r := newRig(t, Config{})
	r.put(key(1), 5, "first")
	r.want(r.relay(key(1), 5, "second"), Conflict, false)
	r.want(r.relay(key(1), 5, "first"), Duplicate, false)
	r.wantExact(key(1), 5, "first")
	if st := r.s.Stats(); st.Conflicts != 1 || st.Duplicates != 1 || r.events[0].Kind != ConflictSeen {
		t.Fatalf("stats are %+v", st)
	}
}

func TestP17ConflictsOfTheProducerOpenAnEpoch(t *testing.T) {
	r := newRig(t, Config{})
	for i := range uint32(52) {
		r.put(key(1), i+1, "first life")
	}
	r.want(r.put(key(1), 50, "second life"), Suspect, false)
	r.want(r.put(key(1), 51, "second life"), Suspect, false)
	out := r.put(key(1), 52, "second life")
	if !out.Epoch || out.Ext != 2<<24|52 {
		t.Fatalf("outcome is %+v", out)
	}
	r.wantExact(key(1), 51, "second life")
}

func TestP17ConflictsFromElsewhereOpenNone(t *testing.T) {
	r := newRig(t, Config{})
	for i := range uint32(52) {
		r.put(key(1), i+1, "first life")
	}
	for i := range uint32(52) {
		r.want(r.relay(key(1), i+1, "second life"), Conflict, false)
	}
}

func TestP17FarJumpNeedsTwoSuccessors(t *testing.T) {
	r := newRig(t, Config{})
	k := key(1)
	r.put(k, 10, "x")
	const far = 11 + farAhead
	r.want(r.relay(k, far, "x"), Stored, false)
	r.want(r.put(k, 11, "x"), Stored, true)
	r.want(r.relay(k, far+2, "x"), Stored, false) // begins anew
	r.want(r.relay(k, far+3, "x"), Stored, false)
	r.wantNewest(k, 11, "x")
	r.wantExact(k, far, "x")
	r.want(r.relay(k, far+4, "x"), Stored, true)
	r.wantNewest(k, far+4, "x")
	if len(r.events) != 1 || r.events[0].Kind != JumpConfirmed {
		t.Fatalf("events are %+v", r.events)
	}
}

func TestP17FirstNumberMayBeAny(t *testing.T) {
	r := newRig(t, Config{})
	r.want(r.relay(key(1), top24, "x"), Stored, true)
}

func ExampleShard() {
	s := NewShard(Config{Retention: time.Hour})
	out := s.Put(&Put{Key: 0x010203010000, Seq: 1, Body: []byte("frame"), Now: time.Second})
	body, status := s.Exact(0x010203010000, 1)
	fmt.Println(out.Verdict, out.Newest, status, string(body))
	// Output: stored true hit frame
}
