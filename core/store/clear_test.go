package store

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

func TestClearForgetsNames(t *testing.T) {
	r := newRig(t, Config{LogBytes: 64 << 10, Sorted: true})
	for i := range uint32(300) {
		r.put(key(int(i%3)), i+1, filler)
	}
	if got := r.s.Clear(key(1), key(1)); got != 1 {
		t.Fatalf("%d names were cleared", got)
	}
	if _, st := r.s.Newest(key(1)); st != Miss {
		t.Errorf("the newest is %v", st)
	}
	if _, st := r.s.Exact(key(1), 299); st != Miss {
		t.Errorf("exact is %v", st)
	}
	r.wantExact(key(0), 298, filler)
	r.want(r.put(key(1), 5, "anew"), Stored, true)
	r.wantExact(key(1), 5, "anew")
	for i := range uint32(3000) { // what was cleared is evicted with its segment
		r.put(key(0), 400+i, filler)
	}
	r.pass(48 * time.Hour)
	for range 100 {
		r.pass(time.Second)
	}
	if st := r.s.Stats(); st.Entries > 300 || st.Names < 2 {
		t.Errorf("%+v", st)
	}
	if got := r.s.Clear(0, ^name.Key(0)); got < 2 || r.s.Stats().Names != 0 {
		t.Errorf("%d names were cleared, %d are left", got, r.s.Stats().Names)
	}
}

// What was kept aside of a name that is cleared while the disk is asked for it goes with it, and makes room for another's.
func TestP1ClearLetsGoOfSuspects(t *testing.T) {
	b := newShelf()
	r := newRig(t, Config{Backend: b, Class: Durable, MaxSuspects: 1})
	for i := range 2 {
		r.put(key(i), 1, "first life")
		r.put(key(i), 5000, "first life")
	}
	r.settle()
	r.want(r.put(key(0), 2, "second life"), Suspect, false)
	if st := r.s.Stats(); len(b.asked) != 1 || st.Suspects != 1 || st.SuspectsLost != 0 {
		t.Fatalf("the disk was asked %d questions, %+v", len(b.asked), st)
	}
	if got := r.s.Clear(key(0), key(0)); got != 1 {
		t.Fatalf("%d names were cleared", got)
	}
	if st := r.s.Stats(); st.SuspectsLost != 1 {
		t.Errorf("%d suspects were let go of, want 1", st.SuspectsLost)
	}
	r.want(r.put(key(1), 2, "second life"), Suspect, false)
	r.settle()
	r.put(key(1), 3, "second life")
	r.put(key(1), 4, "second life")
	r.settle()
	r.wantNewest(key(1), 4, "second life")
	if _, st := r.s.Newest(key(0)); st != Miss {
		t.Errorf("the newest of the cleared name is %v", st)
	}
}
