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
