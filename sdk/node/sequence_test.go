package node

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

func TestDistances(t *testing.T) {
	for _, c := range []struct{ a, d, b uint32 }{
		{1, 0, 1},
		{1, 1, 2},
		{wire.SeqLast, 1, 1},
		{wire.SeqLast - 1, 3, 2},
		{5, wire.SeqLast - 1, 4},
		{1, wire.SeqLast - 1, wire.SeqLast},
	} {
		if got := advance(c.a, c.d); got != c.b {
			t.Errorf("%d after %d is %d, want %d", c.d, c.a, got, c.b)
		}
		if got := back(c.b, c.d); got != c.a {
			t.Errorf("%d before %d is %d, want %d", c.d, c.b, got, c.a)
		}
		if got := distance(c.a, c.b); got != c.d {
			t.Errorf("from %d to %d it is %d, want %d", c.a, c.b, got, c.d)
		}
	}
}

// While the oldest is looked for, what is here is given, and the search must not wait for it.
func TestP12SearchGoesOnWhileContentsAreGiven(t *testing.T) {
	q, now := newSequence(temperature, 2), time.Unix(1000, 0)
	for seq := uint32(2); seq <= 100; seq++ {
		q.content(fuzzed(seq, 0), pushed, now)
	}
	q.content(fuzzed(2000, 0), pushed, now)
	for i := range 40 {
		asks, _ := q.due(now, int64(i), uint64(i))
		for _, seq := range asks {
			if u, ok := q.next(); ok && u.Lost {
				t.Fatalf("lost %d-%d", u.From, u.To)
			}
			q.content(fuzzed(seq, 0), fetched, now)
		}
		now = now.Add(time.Second)
	}
	if q.search != nil {
		t.Errorf("still searching: %+v", q.search)
	}
}

// Random contents, Returns, times and reads against the invariants: numbers in order and each once but for a new epoch, a bounded
// memory, at most fetchWindow asked at a time, and never an empty wait while there is something to ask.
func FuzzSequence(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 0, 5, 1, 3, 2, 9, 3, 0, 3, 0}, uint32(1))
	f.Add([]byte{0, 200, 2, 1, 2, 255, 1, 10, 3, 0}, uint32(wire.SeqLast-3))
	f.Fuzz(func(t *testing.T, ops []byte, from uint32) {
		from %= wire.SeqSubscribe
		q := newSequence(temperature, from)
		now, base := time.Unix(1000, 0), max(from, 1)
		var want uint32
		for i := 0; i+1 < len(ops); i += 2 {
			arg := uint32(ops[i+1])
			switch ops[i] % 6 {
			case 0:
				q.content(fuzzed(advance(base, arg), 0), origin(arg%3), now)
			case 1:
				q.returned(advance(base, arg), wire.Returned{Reason: wire.ReturnReason(1 + arg%6), Asked: wire.MakeAsked(1<<40, 2)})
			case 2:
				now = now.Add(time.Duration(arg) * 20 * time.Millisecond)
				asks, wait := q.due(now, int64(i), uint64(i))
				if len(asks) > fetchWindow || wait < 0 || len(asks) > 0 && wait == 0 {
					t.Fatalf("%d asks, wait %s", len(asks), wait)
				}
			case 3:
				ready := q.ready()
				u, ok := q.next()
				if ok != ready {
					t.Fatalf("ready is %v, next gives %v", ready, ok)
				}
				want = follow(t, u, ok, want)
			case 4:
				base = advance(base, arg*40)
			case 5:
				q.content(fuzzed(advance(base, arg), 1), pushed, now)
			}
			if len(q.here) > held+epochRun || len(q.gone) > held || len(q.tries) > held+2*fetchWindow || len(q.back) > epochRun || len(q.given.list) > remembered {
				t.Fatalf("holds %d, %d, %d, %d, %d", len(q.here), len(q.gone), len(q.tries), len(q.back), len(q.given.list))
			}
		}
	})
}

func fuzzed(seq uint32, epoch byte) Content {
	return Content{Name: temperature, Seq: seq, mac: [wire.MACSize]byte{epoch, byte(seq >> 16), byte(seq >> 8), byte(seq)}}
}

// follow checks that an update comes after the one before; want 0: there was none.
func follow(t *testing.T, u Update, ok bool, want uint32) uint32 {
	t.Helper()
	switch {
	case !ok:
		return want
	case u.Lost:
		if want != 0 && u.From != want {
			t.Fatalf("lost %d-%d, want it from %d", u.From, u.To, want)
		}
		return next(u.To)
	case want != 0 && !u.Anew && u.Seq != want:
		t.Fatalf("got %d, want %d", u.Seq, want)
	}
	return next(u.Seq)
}
