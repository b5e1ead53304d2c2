package bench

import (
	"context"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// leg is a timed part of a run: exchanges whose frames are made before its clock starts.
type leg struct {
	n        int
	asks     []byte // frame i of those that the consumer sends, all of one size
	contents []byte // frame i of those that the producer sends
	classes  []class
	first    [4]uint64  // by class: running number of its first exchange
	order    [4][]int32 // by class: its exchanges, in order
	latest   []int32    // by name of a hit: exchange + 1 that asked last

	due  []int64 // ns, when exchange i was sent, or was to be
	left []int32 // copies that are still to come; 0: done or given up
}

// pattern is the classes of a scenario, in the order in which they come.
var pattern = map[string][]class{
	Hit: {classHit}, Miss: {classMiss}, Publish: {classPublish}, Fanout: {classPublish},
	Mixed: {classHit, classMiss, classHit, classHit, classMiss, classHit, classHit, classMiss, classHit, classPublish},
}

// ring is the numbers with which a target's exchanges go on from leg to leg.
type numbers [4]uint64

// firstSeq is the FSEQ of the first timed exchange of a name: 1 is published while setting up.
const firstSeq = 2

// seqOf spreads the running numbers of a class over names: each gets the next FSEQ when it comes round again.
func seqOf(k, names uint64) uint32 { return firstSeq + uint32(k/names%(uint64(wire.SeqLast)-firstSeq)) }

// makeLeg makes the frames of n exchanges.
func (m *maker) makeLeg(l *leg, scenario string, n int, names uint64, next *numbers) {
	classes := pattern[scenario]
	l.n, l.first = n, *next
	l.asks, l.contents, l.classes = l.asks[:0], l.contents[:0], l.classes[:0]
	l.due, l.left = resized(l.due, n), resized(l.left, n)
	for c := range l.order {
		l.order[c] = l.order[c][:0]
	}
	now, blank := unixMilli(), make([]byte, max(m.interestSize(), m.contentSize()))
	asked, sent := false, false
	for _, c := range classes {
		asked = asked || c != classPublish
		sent = sent || c != classHit
	}
	if c := classes[0]; c == classHit || len(classes) > 1 {
		l.latest = resized(l.latest, int(names))
		clear(l.latest)
	}
	for i := range n {
		c := classes[i%len(classes)]
		k := next[c]
		next[c]++
		name, seq := nameOf(c, k%names), seqOf(k, names)
		if c == classHit {
			seq = 1
		}
		l.classes = append(l.classes, c)
		l.order[c] = append(l.order[c], int32(i))
		switch {
		case asked && c != classPublish:
			l.asks = m.interest(l.asks, name, seq, now+int64(uint64(i)/names))
		case asked:
			l.asks = append(l.asks, blank[:m.interestSize()]...)
		}
		switch {
		case sent && c != classHit:
			l.contents = m.content(l.contents, name, seq)
		case sent:
			l.contents = append(l.contents, blank[:m.contentSize()]...)
		}
	}
}

func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// find gives the exchange that a frame belongs to.
func (l *leg) find(p *parts, names uint64) (i int, ok bool) {
	if p.class < classHit || p.class > classPublish {
		return 0, false
	}
	if p.class == classHit {
		if p.name >= uint64(len(l.latest)) || l.latest[p.name] == 0 {
			return 0, false
		}
		return int(l.latest[p.name] - 1), true
	}
	round := uint64(p.seq) - firstSeq
	full := uint64(wire.SeqLast) - firstSeq
	k := round*names + p.name
	if first := l.first[p.class]; k < first%(full*names) { // the numbers have begun again
		k += full * names
	}
	k -= l.first[p.class] % (full * names)
	if k >= uint64(len(l.order[p.class])) {
		return 0, false
	}
	return int(l.order[p.class][k]), true
}

// tally is what came of exchanges.
type tally struct {
	opened, done, copies, lost, returned uint64
	wall, cpu, load                      time.Duration
	sending                              time.Duration // until the last exchange was begun
	latency                              histogram
}

func (t *tally) add(o *tally) {
	t.opened += o.opened
	t.done += o.done
	t.copies += o.copies
	t.lost += o.lost
	t.returned += o.returned
	t.wall += o.wall
	t.cpu += o.cpu
	t.load += o.load
	t.sending += o.sending
	t.latency.merge(&o.latency)
}

// pace is how a leg is run.
type pace struct {
	window  int           // exchanges under way; 0: open loop
	rate    float64       // exchanges a second of an open loop
	until   time.Duration // no exchange is begun after this
	patient time.Duration // after which one counts as lost
	polls   bool          // an open loop asks for answers again and again, and does not sleep until one comes
}

// run is a leg under way on a target.
type run struct {
	*leg
	t      *target
	m      *maker
	names  uint64
	copies int32
	pace
	verify bool

	start             time.Time
	next, oldest, out int
	last              int64
	tally             tally
	err               error
}

func (r *run) now() int64 { return int64(time.Since(r.start)) }

// drive runs the leg to its end. The goroutine is locked to its thread.
func (r *run) drive(ctx context.Context) (*tally, error) {
	active, looks := r.t.active(), look
	cpu, err := r.t.cpu() // of a forwarder elsewhere this takes its time, which is not the first exchange's
	if err != nil {
		return nil, err
	}
	r.start = time.Now()
	busy, vain := threadCPU(), vainTurns{}
	for {
		now := r.now()
		if time.Duration(now) >= looks {
			if err := r.t.goesOn(ctx); err != nil {
				return nil, err
			}
			looks = time.Duration(now) + look
		}
		opened := r.open(now)
		if r.out == 0 && (r.next == r.n && now >= r.end() || now >= int64(r.until)) {
			break
		}
		got := r.take(active)
		if r.err != nil {
			return nil, r.err
		}
		r.giveUp()
		switch {
		case got > 0 || opened > 0:
			vain.end()
		case r.polls && !r.gathers():
			vain.count()
		default:
			await(active, r.nap())
		}
	}
	after, err := r.t.cpu()
	r.tally.wall, r.tally.cpu = time.Duration(r.last), after-cpu
	if r.window == 0 { // what was offered and came to nothing counts too, and the time until the next would be due
		r.tally.sending = max(r.tally.sending, min(time.Duration(r.end()), r.until))
		r.tally.wall = max(r.tally.wall, r.tally.sending)
	}
	r.tally.load = threadCPU() - busy - vain.cpu
	return &r.tally, err
}

// look is how often a leg looks whether it is to go on.
const look = 20 * time.Millisecond

// end is when an open loop has lasted as long as its rate says: its last exchange has its time too.
func (r *run) end() int64 {
	if r.window > 0 {
		return 0
	}
	return r.dueAt(r.next)
}

// vainTurns is the CPU time of polling in vain. Time by the clock will not do: who shares the CPU is somebody else's.
type vainTurns struct {
	cpu, last time.Duration
	under     bool // the turn before was in vain too, and ended at last
}

func (v *vainTurns) count() {
	now := threadCPU()
	if v.under {
		v.cpu += now - v.last
	}
	v.last, v.under = now, true
}

func (v *vainTurns) end() { v.under = false }

// nap is how long there is nothing to do unless something comes.
func (r *run) nap() time.Duration {
	now := r.now()
	left := time.Duration(r.dueAt(r.next) - now)
	switch {
	case r.window > 0 || now >= int64(r.until) || r.next == r.n && left <= 0:
		return look
	case r.tooFew(now):
		left += gather
	}
	return min(left, look)
}

func (r *run) dueAt(i int) int64 { return int64(float64(i) / r.rate * 1e9) }

// open sends what there is room for, or what is due. What is sent in one go has one time.
func (r *run) open(now int64) (opened int) {
	if now >= int64(r.until) || r.tooFew(now) {
		return 0
	}
	for ; r.next < r.n && opened < 4*batch; opened++ {
		i := r.next
		r.due[i] = now
		if r.window == 0 {
			if r.due[i] = r.dueAt(i); r.due[i] > now {
				break
			}
		} else if r.out >= r.window {
			break
		}
		r.send(i)
		r.next++
	}
	if opened > 0 {
		r.tally.opened += uint64(opened)
		r.tally.sending = time.Duration(now)
		r.t.consumer.flush()
		r.t.producer.flush()
	}
	return opened
}

// gather is for how long the exchanges of a fast open loop are put together: a call for each of them would make the load slower than what it loads.
const gather = 100 * time.Microsecond

// gathers tells an open loop that has eight or more exchanges in such a time.
func (r *run) gathers() bool { return r.window == 0 && r.rate*gather.Seconds() >= 8 }

// tooFew tells whether it is too soon for another batch of them.
func (r *run) tooFew(now int64) bool {
	return r.gathers() && r.next < r.n && now < r.dueAt(r.next)+int64(gather)
}

func (r *run) send(i int) {
	r.left[i] = 1
	r.out++
	c := r.classes[i]
	if c == classPublish {
		r.left[i] = r.copies
		r.t.producer.queue(nil, r.content(i))
		return
	}
	ask := r.ask(i)
	if c == classHit {
		p, _ := read(ask)
		r.latest[p.name] = int32(i) + 1
	}
	r.t.consumer.queue(r.t.way(i), ask)
}

func (r *run) ask(i int) []byte {
	size := r.m.interestSize()
	return r.asks[i*size : (i+1)*size : (i+1)*size]
}

func (r *run) content(i int) []byte {
	size := r.m.contentSize()
	return r.contents[i*size : (i+1)*size : (i+1)*size]
}

// take receives on all sockets.
func (r *run) take(active []*socket) (got int) {
	for _, s := range active {
		in, err := s.receive(false)
		if err != nil {
			r.err = err
			return got
		}
		got += len(in)
		now := r.now()
		for _, d := range in {
			r.frame(s, d.b, now)
		}
	}
	r.t.producer.flush()
	return got
}

// frame is one datagram that came in.
func (r *run) frame(s *socket, b []byte, now int64) {
	p, ok := read(b)
	if !ok {
		return
	}
	i, ok := r.find(&p, r.names)
	if !ok || i >= r.next {
		return
	}
	if s == r.t.producer {
		if p.class == classMiss && p.kind == wire.Interest {
			s.queue(nil, r.content(i))
		}
		return
	}
	i = r.eldest(i)
	if r.left[i] == 0 {
		return
	}
	if p.kind == wire.Return {
		r.left[i] = 0
		r.out--
		r.tally.returned++
		return
	}
	if r.verify {
		if r.err = r.m.verify(b); r.err != nil {
			return
		}
	}
	r.tally.copies++
	if r.left[i]--; r.left[i] == 0 {
		r.out--
		r.tally.done++
		r.tally.latency.add(time.Duration(now - r.due[i]))
		r.last = now
	}
}

// eldest is the first of the hits under way that ask for the same content as exchange i: in an open loop its name may come round again before the answer
// is there, and an answer does not say which of them it is for.
func (r *run) eldest(i int) int {
	if r.classes[i] != classHit || len(r.order[classHit]) < r.n { // of a mixture a second round of names does not come within a window
		return i
	}
	for before := i - int(r.names); before >= r.oldest && r.left[before] > 0; before -= int(r.names) {
		i = before
	}
	return i
}

// giveUp counts as lost what was sent too long ago.
func (r *run) giveUp() {
	for r.oldest < r.next {
		if r.left[r.oldest] > 0 {
			if r.now()-r.due[r.oldest] < int64(r.patient) {
				return
			}
			r.left[r.oldest] = 0
			r.out--
			r.tally.lost++
		}
		r.oldest++
	}
}
