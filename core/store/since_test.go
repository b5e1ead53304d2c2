package store

import (
	"testing"
	"time"
)

// since asks until the whole log was seen.
func (r *rig) since(k int, ago time.Duration) (best uint64) {
	for from, more := uint64(0), true; more; more = from != 0 {
		var ext uint64
		if ext, from = r.s.Since(key(k), r.wall-ago.Milliseconds(), from); ext != 0 && (best == 0 || ext < best) {
			best = ext
		}
	}
	return best & seqMask
}

func TestSinceGivesTheFirstNumberOfATime(t *testing.T) {
	r := newRig(t, Config{LogBytes: 1 << 20, Retention: time.Hour})
	for i := range uint32(2000) { // many segments, two names
		r.put(key(1), 10*i+10, "x")
		r.put(key(2), i+1, filler+filler)
		r.pass(time.Second)
	}
	for _, c := range []struct {
		ago  time.Duration
		want uint64
	}{{0, 0}, {time.Second, 20000}, {100 * time.Second, 19010}, {1500 * time.Second, 5010}, {1e6 * time.Hour, 10}, {-time.Hour, 0}} {
		if got := r.since(1, c.ago); got != c.want {
			t.Errorf("since %s ago: %d, want %d", c.ago, got, c.want)
		}
	}
	r.pass(30 * time.Minute) // the first 200 are past their retention, whether or not they are in memory
	if got := r.since(1, 1e6*time.Hour); got != 2010 {
		t.Errorf("past the retention: %d, want 2010", got)
	}
	if got := r.since(3, time.Hour); got != 0 {
		t.Errorf("of no name: %d", got)
	}
}

// The wall clock is handed in cut to the millisecond: no content is left out for that, whatever lies behind the point.
func TestSinceLeavesNothingOutForAFractionOfAMillisecond(t *testing.T) {
	for arrived := time.Duration(0); arrived < time.Millisecond; arrived += 100 * time.Microsecond {
		for later := 100 * time.Microsecond; later < 3*time.Millisecond; later += 100 * time.Microsecond {
			r := newRig(t, Config{})
			r.now += arrived
			r.put(key(1), 5, "x")
			r.s.Advance(r.now+later, r.wall+(arrived+later).Milliseconds())
			if got, _ := r.s.Since(key(1), r.wall, 0); got&seqMask != 5 {
				t.Errorf("arrived %s behind a millisecond, asked for %s later: %d", arrived, later, got)
			}
			if got, _ := r.s.Since(key(1), r.wall+2, 0); got != 0 {
				t.Errorf("arrived %s behind a millisecond, asked for %s later: it counts 2 ms later", arrived, later)
			}
		}
	}
}
