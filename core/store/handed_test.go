package store

import (
	"bytes"
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

// What was cleared while the Backend had it is not told of: a content that comes under its number after that waits for its own commit.
func TestClearForgetsWhatIsHanded(t *testing.T) {
	b := newShelf()
	r := newRig(t, Config{Backend: b, Class: Durable})
	r.put(key(1), 1, "first life")
	r.put(key(5), 1, "x")
	first := b.written
	b.written = nil
	r.s.Clear(key(1), key(2))
	r.put(key(1), 1, "second life")
	second := b.written
	b.written = first
	if got := r.settle(); len(got) != 1 || got[0].Key != key(5) {
		t.Fatalf("results are %+v", got)
	}
	if _, st := r.s.Exact(key(1), 1); st != Uncommitted {
		t.Fatalf("what came after is %v", st)
	}
	if known, _ := r.s.Known(key(1)); known.OnDisk {
		t.Fatal("it is on disk already")
	}
	b.written = second
	if got := r.settle(); len(got) != 1 || got[0].Done != DoneCommit || !bytes.Equal(got[0].Body, bodyOf(key(1), 1, "second life")) {
		t.Fatalf("results are %+v", got)
	}
}

// A newest that was read from where a sync has failed is in memory after that, and confirmed to nobody.
func TestP13WhatIsRecalledMayBeUnsafe(t *testing.T) {
	b := newShelf()
	cfg := Config{Backend: b, Class: Durable}
	r := newRig(t, cfg)
	r.put(key(1), 1, "x")
	r.settle()
	for _, unsafe := range []bool{true, false} {
		r = newRig(t, cfg)
		for i := range b.kept[key(1)] {
			b.kept[key(1)][i].Unsafe = unsafe
		}
		if !r.s.Fetch(key(1), 0) {
			t.Fatal("nothing to read")
		}
		r.settle()
		if body, st := r.s.Exact(key(1), 1); body == nil || (st == Unwritten) != unsafe {
			t.Errorf("unsafe %v: it is %v", unsafe, st)
		}
	}
}
