package store

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

// model says in slices and without memory bounds what a shard should do.
type model struct{ names map[name.Key]*modelName }

type modelName struct {
	stored []modelContent // in the order of storing
	top    uint64
	aside  []modelContent
	jump   []uint64
}

type modelContent struct {
	ext     uint64
	seq     uint32
	body    []byte
	arrived time.Duration
}

// distance is serial arithmetic, once more and differently: signed, on 24 bits.
func distance(top uint64, seq uint32) int64 {
	return int64(int32((seq-uint32(top))<<8) >> 8)
}

func next(seq uint32) uint32 { return seq%0xFFFFFE + 1 }

func (m *modelName) find(seq uint32) *modelContent {
	for i := len(m.stored) - 1; i >= 0; i-- {
		if m.stored[i].seq == seq {
			return &m.stored[i]
		}
	}
	return nil
}

func (m *modelName) put(p *Put) (v Verdict, newest bool, released int) {
	c := modelContent{seq: p.Seq, body: bytes.Clone(p.Body), arrived: p.Now}
	if m.top == 0 {
		m.top, c.ext = 1<<24|uint64(p.Seq), 1<<24|uint64(p.Seq)
		m.stored = append(m.stored, c)
		return Stored, true, 0
	}
	d := distance(m.top, p.Seq)
	c.ext = uint64(int64(m.top) + d)
	clash := false
	for _, old := range m.stored {
		if old.seq == c.seq && bytes.Equal(old.body, c.body) {
			return Duplicate, false, 0
		}
		clash = clash || old.ext == c.ext
	}
	follows := len(m.aside) > 0 && p.Seq == next(m.aside[len(m.aside)-1].seq)
	candidate := clash || d < -64 || follows && (d <= 0 || len(m.aside) == 2)
	if p.Producer && candidate {
		return m.suspect(c, follows)
	}
	if clash {
		return Conflict, false, 0
	}
	newest = d >= 0 && (d <= 1<<16 || m.confirmed(c))
	if newest {
		m.top, m.jump = max(m.top, c.ext), nil
		if p.Producer {
			m.aside = nil
		}
	}
	m.stored = append(m.stored, c)
	return Stored, newest, 0
}

func (m *modelName) confirmed(c modelContent) bool {
	if n := len(m.jump); n > 0 && c.ext != followingExt(m.jump[n-1]) {
		m.jump = nil
	}
	m.jump = append(m.jump, c.ext)
	return len(m.jump) == 3
}

func (m *modelName) suspect(c modelContent, follows bool) (Verdict, bool, int) {
	if n := len(m.aside); n > 0 && m.aside[n-1].seq == c.seq && bytes.Equal(m.aside[n-1].body, c.body) {
		return Suspect, false, 0
	}
	if !follows {
		m.aside = nil
	}
	m.aside = append(m.aside, c)
	if len(m.aside) < 3 {
		return Suspect, false, 0
	}
	epoch := m.top>>24 + 1
	for i, a := range m.aside {
		if i > 0 && a.seq == 1 {
			epoch++
		}
		a.ext = epoch<<24 | uint64(a.seq)
		m.top = a.ext
		m.stored = append(m.stored, a)
	}
	m.aside, m.jump = nil, nil
	return Stored, true, 2
}

func (m *modelName) newest() *modelContent {
	var best *modelContent
	for i := range m.stored {
		if c := &m.stored[i]; c.ext <= m.top && (best == nil || c.ext >= best.ext) {
			best = c
		}
	}
	return best
}

// drawSeq draws numbers near to where something happens: the newest, the wrap, the limits of a jump.
func drawSeq(t *rapid.T, top uint64) uint32 {
	base := int64(top & seqMask)
	d := rapid.OneOf(
		rapid.Int64Range(-4, 4), rapid.Int64Range(-4, 4), rapid.Just[int64](1), rapid.Just[int64](1),
		rapid.Int64Range(-70, -60), rapid.Int64Range(1<<16-2, 1<<16+4), rapid.Int64Range(1<<23-3, 1<<23+3),
	).Draw(t, "distance")
	if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
		base, d = 0, rapid.Int64Range(1, 6).Draw(t, "from the beginning")
	}
	seq := uint32(base+d) & seqMask
	if seq == 0 || seq == seqMask {
		return 1
	}
	return seq
}

func TestShardBehavesAsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewShard(Config{MaxRatePerName: Unlimited, HourBytes: 1 << 40, Retention: 1000 * time.Second, Seed: [2]uint64{3, 4}})
		m := model{names: map[name.Key]*modelName{}}
		now := time.Second
		last := map[name.Key]uint32{}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 20).Draw(t, "pause")) * time.Second
			s.Advance(now, 0)
			k := key(rapid.IntRange(0, 1).Draw(t, "name"))
			mn := m.names[k]
			if mn == nil {
				mn = &modelName{top: 0}
				m.names[k] = mn
			}
			seq := drawSeq(t, mn.top)
			if last[k] != 0 && rapid.Bool().Draw(t, "consecutive") {
				seq = next(last[k])
			}
			last[k] = seq
			p := Put{
				Key: k, Seq: seq, Body: bodyOf(k, seq, fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "payload"))), Now: now,
				Producer: rapid.IntRange(0, 3).Draw(t, "producer") > 0, Face: 1,
			}
			v, newest, released := mn.put(&p)
			out := s.Put(&p)
			if out.Verdict != v || out.Newest != newest || len(out.Released) != released || out.Epoch != (released > 0) {
				t.Fatalf("put %d: %+v, the model says %v, newest %v, %d released", seq, out, v, newest, released)
			}
			m.check(t, s, now)
		}
	})
}

func (m *model) check(t *rapid.T, s *Shard, now time.Duration) {
	for k, mn := range m.names {
		if known, ok := s.Known(k); ok != (mn.top != 0) || known.Ext != mn.top {
			t.Fatalf("known is %+v, the model's newest is %#x", known, mn.top)
		}
		for _, c := range mn.stored {
			want := mn.find(c.seq)
			body, st := s.Exact(k, c.seq)
			if now-want.arrived > 1000*time.Second {
				if st != Miss {
					t.Fatalf("exact %d is past its retention and %v", c.seq, st)
				}
			} else if st != Hit || !bytes.Equal(body, want.body) {
				t.Fatalf("exact %d is %v %x, want %x", c.seq, st, body, want.body)
			}
		}
		m.checkNewest(t, s, k, now)
	}
}

func (m *model) checkNewest(t *rapid.T, s *Shard, k name.Key, now time.Duration) {
	want := m.names[k].newest()
	n, st := s.Newest(k)
	if want == nil || now-want.arrived > 1000*time.Second {
		if st != Miss {
			t.Fatalf("newest is %v, want a miss", st)
		}
		return
	}
	if st != Hit || n.Ext != want.ext || !bytes.Equal(n.Body, want.body) {
		t.Fatalf("newest is %v %#x, want %#x", st, n.Ext, want.ext)
	}
}

func TestTableBehavesAsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab := table{seed: [2]uint64{5, 6}}
		m := map[uint64]uint64{}
		for range rapid.IntRange(0, 2000).Draw(t, "steps") {
			k := rapid.Uint64Range(1, 300).Draw(t, "key")
			if rapid.Bool().Draw(t, "delete") {
				tab.del(k)
				delete(m, k)
			} else {
				v := rapid.Uint64().Draw(t, "value")
				tab.put(k, v)
				m[k] = v
			}
		}
		if tab.n != len(m) {
			t.Fatalf("%d keys, want %d", tab.n, len(m))
		}
		for k := range uint64(301) {
			if k == 0 {
				continue
			}
			v, ok := tab.get(k)
			if w, in := m[k]; ok != in || v != w {
				t.Fatalf("key %d is %d %v, want %d %v", k, v, ok, w, in)
			}
		}
	})
}

// What is stale may be gone from a table or not, but is never confused with anything else, and does not make the table grow.
func TestTableLetsGoOfWhatIsStale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		oldest := uint64(1)
		tab := table{seed: [2]uint64{5, 6}, stale: func(v uint64) bool { return v < oldest }}
		m := map[uint64]uint64{}
		const kept = 500
		for v := uint64(1); v < 6*kept; v++ {
			k := rapid.Uint64Range(1, 8*kept).Draw(t, "key")
			before, was := m[k]
			if old := tab.swap(k, v); old != before && (old != 0 || was && before >= oldest) {
				t.Fatalf("key %d was %d, want %d", k, old, before)
			}
			m[k] = v
			oldest = max(oldest, v-min(v, kept))
		}
		slots := 0
		for i := range tab.parts {
			slots += len(tab.parts[i].slots)
		}
		if slots > 4*kept {
			t.Errorf("%d slots for at most %d that are not stale", slots, kept)
		}
		for k, want := range m {
			if v, ok := tab.get(k); ok && v != want || !ok && want >= oldest {
				t.Fatalf("key %d is %d %v, want %d", k, v, ok, want)
			}
		}
	})
}
