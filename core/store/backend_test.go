package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

// shelf is a Backend in memory that does what it was asked when Completions is called.
type shelf struct {
	kept    map[name.Key][]Completion
	known   map[name.Key]Loaded
	written []Completion
	tickets uint64
	asked   []Read
	notify  func()
	full    bool // refuses everything
	broken  bool // takes everything and writes nothing
}

func newShelf() *shelf {
	return &shelf{kept: map[name.Key][]Completion{}, known: map[name.Key]Loaded{}}
}

func (s *shelf) Load(notify func(), yield func(*Loaded)) {
	s.notify = notify
	for _, l := range s.known {
		yield(&l)
	}
}

func (s *shelf) Write(w *Write) bool {
	if s.full {
		return false
	}
	s.tickets++
	s.written = append(s.written, Completion{
		Done: DoneCommit, Ticket: s.tickets, Key: w.Key, Ext: w.Ext, Wall: w.Wall, Hour: 1, Producer: w.Producer,
		Body: bytes.Clone(w.Body),
	})
	if !s.broken {
		s.known[w.Key] = Loaded{Key: w.Key, Newest: w.Newest, Wall: w.NewestAt, MAC: w.NewestMAC, Hour: 1, Producer: w.FromFirst, Published: w.Published}
	}
	s.notify()
	return true
}

func (s *shelf) Read(r *Read) bool {
	if s.full {
		return false
	}
	c := *r
	c.Check = bytes.Clone(r.Check)
	s.asked = append(s.asked, c)
	s.notify()
	return true
}

func (s *shelf) Completions(yield func(*Completion)) {
	written, asked := s.written, s.asked
	s.written, s.asked = nil, nil
	for _, c := range written {
		if s.broken {
			c.Done = DoneFailed
		} else {
			s.kept[c.Key] = append(s.kept[c.Key], c)
		}
		c.Body = nil
		yield(&c)
	}
	for _, r := range asked {
		c := s.answer(&r)
		yield(&c)
	}
}

func (s *shelf) answer(r *Read) Completion {
	list := s.kept[r.Key]
	if r.Check != nil {
		same := slices.ContainsFunc(list, func(c Completion) bool { return bytes.Equal(c.Body, r.Check) })
		return Completion{Done: DoneCheck, Key: r.Key, Seq: r.Seq, Same: same, MAC: macOf(r.Check)}
	}
	for ext := r.Ext; ext >= r.Lowest && ext > 0; ext -= 1 << seqBits {
		for _, c := range list {
			if c.Ext == ext {
				c.Done, c.Seq = DoneRead, r.Seq
				return c
			}
		}
		if ext < 1<<seqBits {
			break
		}
	}
	return Completion{Done: DoneRead, Key: r.Key, Seq: r.Seq}
}

// settle takes until there is nothing more.
func (r *rig) settle() (got []Result) {
	b := r.s.cfg.Backend.(*shelf)
	for more := true; more || len(b.written) > 0 || len(b.asked) > 0; {
		more = r.s.Take(func(res Result) {
			res.Body = bytes.Clone(res.Body)
			got = append(got, res)
		})
	}
	return got
}

// fetch asks as a host does.
func (r *rig) fetch(k name.Key, seq uint32) []byte {
	body, st := r.s.Exact(k, seq)
	if st != OnDisk {
		return bytes.Clone(body)
	}
	r.s.Fetch(k, seq)
	for _, res := range r.settle() {
		if res.Done == DoneRead && res.Key == k && res.Asked == seq {
			return res.Body
		}
	}
	return nil
}

func newestOf(r *rig, k name.Key) (Newest, error) {
	n, st := r.s.Newest(k)
	switch st {
	case OnDisk:
		r.s.Fetch(k, 0)
		for _, res := range r.settle() {
			if res.Done == DoneRead && res.Asked == 0 {
				n = res.Newest
				n.Body = res.Body
				return n, nil
			}
		}
		return n, errors.New("the read came to nothing")
	case Miss:
		return n, errors.New("miss")
	}
	return n, nil
}

// lives drives one name through several lives of its producer, each of which begins anew far below.
type lives struct {
	k      name.Key
	seq    uint32
	life   int
	bodies map[uint32]string // by number, of the latest life that reached it
}

func TestShardAndBackendKeepEverything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newShelf()
		cfg := Config{Backend: b, Class: Durable, LogBytes: minLogBytes}
		r := newRig(t, cfg)
		names := []*lives{{k: key(1), bodies: map[uint32]string{}}, {k: key(2), bodies: map[uint32]string{}}}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			l := names[rapid.IntRange(0, 1).Draw(rt, "name")]
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				r.settle()
				now, wall := r.now, r.wall
				r = newRig(t, cfg)
				r.now, r.wall = now, wall
				r.pass(time.Second)
			case 1:
				l.bear(rt, r, uint32(rapid.IntRange(1, 20).Draw(rt, "first number")))
			case 2, 3:
				r.settle()
			default:
				l.publish(rt, r, rapid.IntRange(1, 30).Draw(rt, "contents"))
			}
			l.check(rt, r)
		}
	})
}

const filler = "a body of some length, so that the smallest of logs overflows soon and the rest is on the shelf only"

func (l *lives) publish(t *rapid.T, r *rig, n int) {
	if len(r.s.cfg.Backend.(*shelf).written) > 60 { // what leaves the memory before the disk has it is not found until then
		r.settle()
	}
	for range n {
		l.seq++
		l.bodies[l.seq] = fmt.Sprint(filler, l.life, l.seq)
		if out := r.put(l.k, l.seq, l.bodies[l.seq]); out.Verdict != Stored || !out.Newest {
			t.Fatalf("number %d is %+v", l.seq, out)
		}
	}
}

// bear lets the producer begin anew at first, if that is far enough below.
func (l *lives) bear(t *rapid.T, r *rig, first uint32) {
	if l.seq < first+100 {
		return
	}
	l.life++
	opened := 0
	for i := range uint32(3) {
		seq := first + i
		l.bodies[seq] = fmt.Sprint(filler, l.life, seq)
		if out := r.put(l.k, seq, l.bodies[seq]); out.Epoch {
			opened += 1 + len(out.Released)
		}
	}
	for _, res := range r.settle() {
		if res.Done == DoneOpened {
			opened++
		}
	}
	if opened != 3 {
		t.Fatalf("%d contents of a new life were admitted", opened)
	}
	l.seq = first + 2
}

func (l *lives) check(t *rapid.T, r *rig) {
	if l.seq == 0 {
		return
	}
	for _, seq := range []uint32{1, l.seq, l.seq/2 + 1, uint32(rapid.IntRange(1, 200).Draw(t, "seq"))} {
		want, stored := l.bodies[seq]
		got := r.fetch(l.k, seq)
		if stored && !bytes.Equal(got, bodyOf(l.k, seq, want)) || !stored && got != nil {
			t.Fatalf("exact %d is %q, want %q", seq, got, want)
		}
	}
	n, err := newestOf(r, l.k)
	if err != nil || n.Seq != l.seq || !bytes.Equal(n.Body, bodyOf(l.k, l.seq, l.bodies[l.seq])) {
		t.Fatalf("newest is %d %q, want %d: %v", n.Seq, n.Body, l.seq, err)
	}
	if out := r.put(l.k, l.seq, l.bodies[l.seq]); out.Verdict != Duplicate {
		t.Fatalf("the newest once more is %+v", out)
	}
}

func TestP13FailedContentsAreTriedAgain(t *testing.T) {
	b := newShelf()
	r := newRig(t, Config{Backend: b, Class: Durable})
	b.broken = true
	r.put(key(1), 1, "x")
	if got := r.settle(); len(got) != 1 || got[0].Done != DoneFailed || got[0].Seq != 1 {
		t.Fatalf("results are %+v", got)
	}
	if body, st := r.s.Exact(key(1), 1); st != Unwritten || body == nil {
		t.Fatalf("what was not written is %v", st)
	}
	b.broken = false
	r.want(r.put(key(1), 1, "x"), Duplicate, false)
	if got := r.settle(); len(got) != 1 || got[0].Done != DoneCommit || !got[0].Awaited || !bytes.Equal(got[0].Body, bodyOf(key(1), 1, "x")) {
		t.Fatalf("results are %+v", got)
	}
	r.wantExact(key(1), 1, "x")
	if st := r.s.Stats(); st.WriteFailures != 1 || st.Commits != 1 {
		t.Fatalf("stats are %+v", st)
	}
}

func TestP1NothingIsBelievedWithoutTheDisk(t *testing.T) {
	b := newShelf()
	cfg := Config{Backend: b, Class: Durable}
	r := newRig(t, cfg)
	for i := range uint32(200) {
		r.put(key(1), i+1, "x")
	}
	r.settle()
	r = newRig(t, cfg)
	b.full = true
	for i := range uint32(20) {
		r.want(r.put(key(1), i+1, "new life"), Suspect, false)
	}
	b.full = false
	for i := range uint32(3) {
		r.want(r.put(key(1), i+21, "new life"), Suspect, false)
	}
	opened := 0
	for _, res := range r.settle() {
		if res.Done == DoneOpened {
			opened++
		}
	}
	if n, err := newestOf(r, key(1)); opened != 3 || err != nil || n.Seq != 23 {
		t.Fatalf("%d were admitted, the newest is %d: %v", opened, n.Seq, err)
	}
}

func TestFetchesAreBoundedAndMerged(t *testing.T) {
	b := newShelf()
	cfg := Config{Backend: b, Class: Durable, MaxFetches: 2}
	r := newRig(t, cfg)
	for i := range uint32(5) {
		r.put(key(1), i+1, "x")
	}
	r.settle()
	r = newRig(t, cfg)
	for i, want := range []bool{true, true, true, false} {
		if got := r.s.Fetch(key(1), []uint32{1, 1, 2, 3}[i]); got != want {
			t.Fatalf("fetch %d is %v", i, got)
		}
	}
	if r.s.Fetch(key(2), 1) {
		t.Fatal("an unknown name is fetched")
	}
	if got := r.settle(); len(got) != 2 {
		t.Fatalf("results are %+v", got)
	}
	if !r.s.Fetch(key(1), 3) {
		t.Fatal("no room after all reads were done")
	}
}

func TestReadyIsCalled(t *testing.T) {
	calls := 0
	b := newShelf()
	r := newRig(t, Config{Backend: b, Class: Buffered, Ready: func(*Shard) { calls++ }})
	r.put(key(1), 1, "x")
	if calls != 1 {
		t.Fatalf("%d calls", calls)
	}
}

func TestRetiredHoursAreNotAsked(t *testing.T) {
	b := newShelf()
	cfg := Config{Backend: b, Class: Buffered, Rules: []Rule{{Prefix: name.Name{2}, Length: 1, KeepNewest: true}}}
	r := newRig(t, cfg)
	r.put(key(1), 1, "x")
	r.put(0x020000000000, 1, "x")
	r.settle()
	r = newRig(t, cfg)
	r.s.complete(&Completion{Done: DoneRetired, Hour: 2}, nil)
	if _, st := r.s.Newest(key(1)); st != Miss {
		t.Fatalf("newest is %v", st)
	}
	if _, st := r.s.Newest(0x020000000000); st != OnDisk {
		t.Fatalf("a newest that is kept is %v", st)
	}
}

// nowhere is a Backend that takes everything.
type nowhere struct{}

func (nowhere) Load(func(), func(*Loaded))    {}
func (nowhere) Write(*Write) bool             { return true }
func (nowhere) Read(*Read) bool               { return true }
func (nowhere) Completions(func(*Completion)) {}

func TestPutWithABackendDoesNotAllocate(t *testing.T) {
	r := newRig(t, Config{Backend: nowhere{}, Class: Durable, LogBytes: 256 << 10})
	p := Put{Key: key(1), Body: bodyOf(key(1), 1, "x"), Now: r.now, Producer: true}
	step := func() {
		p.Seq++
		p.Body[10] = byte(p.Seq)
		r.s.Put(&p)
	}
	for range 20000 {
		step()
	}
	if n := testing.AllocsPerRun(10000, step); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
