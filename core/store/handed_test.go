package store

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/name"
)

// The queue of what the Backend has is a list from which the front is taken, whatever was told of singly before.
func TestHandedIsAList(t *testing.T) {
	type told struct {
		key name.Key
		v   verdict
	}
	rapid.Check(t, func(t *rapid.T) {
		var (
			q       handedQueue
			pushed  uint64
			settled uint64
			alone   []uint64
			want    []told
		)
		tickets := func(what string) uint64 { return rapid.Uint64Range(settled+1, pushed).Draw(t, what) }
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 2*handedPageSize).Draw(t, "contents") {
					pushed++
					q.push(handed{key: name.Key(pushed), ext: pushed})
				}
			},
			"single": func(t *rapid.T) {
				if settled == pushed {
					t.Skip("nothing is out")
				}
				n := tickets("ticket")
				h := q.single(n)
				if want := !slices.Contains(alone, n); (h.ext != 0) != want || h.key != name.Key(n) {
					t.Fatalf("ticket %d is %+v", n, h)
				}
				alone = append(alone, n)
				for _, n := range []uint64{0, settled - uint64(len(want)), pushed + 1} { // what was taken out, and what is to come
					if h := q.single(n); h.ext != 0 {
						t.Fatalf("ticket %d is %+v", n, h)
					}
				}
			},
			"verdict": func(t *rapid.T) {
				if settled == pushed {
					t.Skip("nothing is out")
				}
				upTo := tickets("up to")
				v := verdict{upTo, uint32(rapid.IntRange(1, 9).Draw(t, "hour")), rapid.SampledFrom([]Done{DoneCommit, DoneFailed}).Draw(t, "done")}
				q.verdict(&Completion{Done: v.done, Ticket: v.upTo, Hour: v.hour})
				for ; settled < upTo; settled++ {
					want = append(want, told{name.Key(settled + 1), v})
				}
			},
			"next": func(t *rapid.T) {
				for range rapid.IntRange(1, 2*handedPageSize).Draw(t, "contents") {
					h, v, ok := q.next()
					if ok != (len(want) > 0) {
						t.Fatalf("next gives %v, %d are to come", ok, len(want))
					}
					if !ok {
						return
					}
					if single := slices.Contains(alone, uint64(want[0].key)); h.key != want[0].key || v != want[0].v || (h.ext == 0) != single {
						t.Fatalf("next gives %+v %+v, want %+v, told of singly %v", h, v, want[0], single)
					}
					want = want[1:]
				}
			},
		})
		if pages := int(q.end/handedPageSize) - int(q.first/handedPageSize) + 1; len(q.pages) > pages {
			t.Fatalf("%d pages for %d contents", len(q.pages), q.end-q.first)
		}
	})
}

// A sync makes more safe than is taken at once, and whoever waits for one of it is told.
func TestCommitsAreTakenInParts(t *testing.T) {
	b := newShelf()
	r := newRig(t, Config{Backend: b, Class: Buffered})
	const contents = 1000
	for i := range uint32(contents) {
		r.put(key(1), i+1, "x")
		r.put(key(2), i+1, "x")
	}
	if _, st := r.s.Exact(key(1), 500); st != Uncommitted {
		t.Fatalf("a content that is on its way is %v", st)
	}
	takes, commits := 0, map[name.Key]int{}
	for more := true; more; takes++ {
		n := 0
		more = r.s.Take(func(res Result) {
			n++
			commits[res.Key]++
			if res.Done != DoneCommit || res.Awaited != (res.Key == key(1)) {
				t.Fatalf("a result is %+v", res)
			}
		})
		if n > 256 {
			t.Fatalf("%d results at once", n)
		}
	}
	if takes < 2*contents/256 || commits[key(1)] != contents || commits[key(2)] != contents {
		t.Fatalf("%d takes gave %v", takes, commits)
	}
	r.wantExact(key(1), 500, "x")
}
