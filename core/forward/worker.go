package forward

import (
	"sync"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// Worker owns the names whose hash falls to it: their pending Interests, subscriptions, producers and store. It is not a
// goroutine: whoever has something for it takes its mutex, and what there is to send leaves before the mutex is released.
type Worker struct {
	mu  sync.Mutex
	n   *Node
	id  int
	lim Limits // tables already divided among the workers

	now   Now
	faces []*Face // as of the beginning of the burst
	out   outbox
	v     *wire.Verifier

	pit        *table.PIT
	subs       *table.Subs
	deliveries *table.Deliveries
	fib        *table.FIB
	seen       *table.Seen
	producers  *table.Producers
	proxies    *table.Map[name.Key, *sleeper]
	proxyQuota *table.Quota
	wheel      table.Wheel
	fire       func(kind uint8, ref uint32)
	pacers     *table.Slab[pacer]
	pacing     map[paceKey]int32 // by what they answer
	store      Store
	strategy   Strategy

	repeats repeats
	late    *table.Late // answers that are still to be measured
	overdue *table.Late // numbers that were asked for in vain

	lastOut FaceID // where an Interest was sent last: the next one will mostly go there too

	asked  []FaceID // by slot: the face there that was ever asked, so that most faces go down without a search
	found  finding  // scratch, like what follows: an argument of an interface's method would be allocated, and what is returned by value copied
	hops   []NextHop
	ev     Event
	blank  PendingScratch // lent to a strategy for an Interest that has no block yet
	put    store.Put
	cmds   []Command
	known  knownProducer
	marks  []uint64 // by slot: the serial number of the last Content sent there, so that overlapping subscriptions send it once
	serial uint64
	chance uint64 // of random
	told   bool   // the strategy knows of the Content at hand
	stale  bool   // a face that the strategy chose had the Interest before this entry was made
	alarm  budget
	stats  WorkerStats
	stages stopwatch
	timed  timedStore

	alone     bool // the burst at hand is one frame, of which nothing was said ahead
	remembers bool // some strategy has said once that an answer is good for more Interests

	gatherer Gatherer  // the strategy, if it is one
	gathers  bool      // Interests of the burst at hand may wait for a decision together
	gathered *gathered // those that do; nil until some strategy asks for it
}

// WorkerStats counts what a worker did. Read with [Worker.Stats].
type WorkerStats struct {
	StoreHits, Merged, Forwarded, Suppressed, Satisfied, Returned, Pushed, Held, ExpiredIns uint64

	Ignored       uint64 // commands of strategies that cannot be done
	TimersRefused uint64 // beyond Limits.StrategyTimers
	Repeated      uint64 // frames sent again on the face that they came from
	RepeatsSpared uint64 // of those that were held: heard again, or answered before

	PIT, PITRecords, Wildcards, Subscriptions, Askers, Producers, Sleepers int
	HeldFrames                                                             int // that wait to be repeated
}

// Kinds of timers.
const (
	timerPIT uint8 = iota
	timerSub
	timerPace
	timerRepeat
	timerHouse // retention, producers and sleepers that are due
)

const housekeeping = time.Second

func newWorker(n *Node, id int) *Worker {
	w := &Worker{n: n, id: id, lim: n.lim, v: n.cfg.Keys.Verifier()}
	part := func(total int) int { return max((total+n.cfg.Workers-1)/n.cfg.Workers, 8) }
	quota := func(total int) *table.Quota {
		limit := part(total)
		return table.NewQuota(limit, func(id FaceID) int { return w.share(id, limit) })
	}
	seed := n.cfg.Seed
	w.pit = table.NewPIT(seed, quota(n.lim.PIT), n.lim.Wildcards)
	w.subs = table.NewSubs(seed, quota(n.lim.Subscriptions), n.lim.Wildcards)
	w.deliveries = table.NewDeliveries(seed, part(n.lim.Deliveries))
	w.fib = table.NewFIB(seed)
	// A timestamp may be ahead by the window, and so is good for twice that after it was first heard (P-11).
	w.seen = table.NewSeen(seed, part(n.lim.Seen), 2*n.lim.TimestampWindow)
	w.producers = table.NewProducers(seed, quota(n.lim.Producers), n.lim.ProducerHold)
	w.proxies = table.NewMap[name.Key, *sleeper](func(k name.Key) uint64 { return seed.Key(k, 0) })
	w.proxyQuota = quota(n.lim.Proxies)
	w.lim.HeldFrames = part(n.lim.HeldFrames)
	w.repeats, w.late = newRepeats(seed, w.lim.HeldFrames), table.NewLate(seed, lateAnswers)
	w.overdue = table.NewLate(seed, overdueAnswers)
	w.chance = seed[0] ^ uint64(id)
	w.pacers, w.pacing = table.NewSlab[pacer](), map[paceKey]int32{}
	w.fire = w.due
	w.store = &noStore{}
	if n.cfg.Store != nil {
		w.store = n.cfg.Store(id)
	}
	w.strategy = BestRoute{}
	if n.cfg.Strategy != nil {
		w.strategy = n.cfg.Strategy(id)
	}
	w.gatherer, _ = w.strategy.(Gatherer)
	w.wheel.Add(housekeeping, timerHouse, 0)
	return w
}

// share is how much of a table of limit entries a face may fill; 0 is the default (P-22).
func (w *Worker) share(id FaceID, limit int) int {
	f := w.face(id)
	if f == nil || f.cfg.Share <= 0 {
		return 0
	}
	return max(int(f.cfg.Share*float64(limit)), 1)
}

// Stats reads the worker's counters and the sizes of its tables.
func (w *Worker) Stats() WorkerStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.PIT, s.PITRecords, s.Wildcards = w.pit.Len(), w.pit.Records(), w.pit.Wilds()
	s.Subscriptions, s.Askers = w.subs.Len(), w.subs.Askers()
	s.Producers, s.Sleepers, s.HeldFrames = w.producers.Len(), w.proxies.Len(), w.repeats.frames.Len()
	return s
}

// Locked runs fn under the worker's mutex: for what reads its store or changes its strategy from outside.
func (w *Worker) Locked(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

// run processes a burst of frames.
func (w *Worker) run(now Now, frames []*received) {
	w.mu.Lock()
	w.frames(now, frames)
	w.mu.Unlock()
}

func (w *Worker) frames(now Now, frames []*received) {
	w.begin(now)
	w.alone = len(frames) == 1
	switch {
	case !w.alone:
		w.gathers = w.gatherer != nil
		w.ahead(frames, 0, 2*lookAhead)
	case frames[0].Type == wire.Content:
		w.store.Ahead(frames[0].key, frames[0].Seq)
	}
	for i, r := range frames {
		if !w.alone {
			w.ahead(frames, i+2*lookAhead, i+2*lookAhead+1)
		}
		w.process(r)
		if w.out.full() {
			w.flush()
		}
	}
	w.gathers = false
	w.settle()
	w.flush()
	w.plan()
}

// lookAhead is how many frames before its turn the tables are told of a frame, and as many before that the store of its name: to fetch what is in no cache takes about
// as long as a frame's way, so with two of them it is there in time.
const lookAhead = 2

// ahead looks at frames from … to-1 of a burst, and at those lookAhead before them, for what they will ask the tables. What comes alone has
// only its own way's time for that: a Content until it is stored, an Interest from where the store does not have it.
func (w *Worker) ahead(frames []*received, from, to int) {
	for i := from; i < to; i++ {
		if i < len(frames) {
			w.store.Coming(frames[i].key)
		}
		at := i - lookAhead
		if at < 0 || at >= len(frames) {
			continue
		}
		r := frames[at]
		w.store.Ahead(r.key, r.Seq)
		if asked, has := wire.AskedOf(r.Payload); has && r.Type == wire.Interest {
			w.seen.Ahead(table.SeenKey{Name: r.key, Seq: r.Seq, Asked: asked.Bits()}, r.face.cfg.OnDemand, w.lastOut)
		}
	}
}

// begin sets the time of what follows. It never goes back, though who waited for the mutex may have read the clock before who had it.
func (w *Worker) begin(now Now) {
	if now.Mono >= w.now.Mono {
		w.now = now
	}
	w.faces = *w.n.faces.Load()
	w.known.set = false
}

func (w *Worker) process(r *received) {
	var why drop.Reason
	if g := w.gathered; g != nil && g.n > 0 && g.concerns(r) {
		w.settle()
	}
	if r.face.cfg.Broadcast && w.repeats.frames.Len() > 0 {
		w.heardAgain(r)
	}
	switch {
	case r.face.gone.Load(): // nothing may be kept for it: nobody would take it out again
		why = drop.NoFace
	case r.Type == wire.Interest:
		why = w.interest(r)
	case r.Type == wire.Content:
		why = w.content(r)
	case r.Type == wire.Return:
		why = w.returned(r)
	}
	if why != drop.None && !r.echo {
		r.face.drop(why)
	}
}

// face finds a face that still exists.
func (w *Worker) face(id FaceID) *Face { return faceOf(w.faces, id) }

// usable finds a face that frames can be sent to.
func (w *Worker) usable(id FaceID) *Face {
	if f := w.face(id); f != nil && f.Up() {
		return f
	}
	return nil
}

// producer is the producer face of a name, 0 if there is none (P-17): a sleeper's for as long as it may sleep (P-8). One frame asks for it several times.
func (w *Worker) producer(k name.Key) FaceID {
	if !w.known.set || w.known.key != k {
		face, ok := w.producers.Face(w.now.Mono, k)
		if !ok {
			face = w.asleep(k)
		}
		w.known = knownProducer{k, face, true}
	}
	return w.known.face
}

// knownProducer is what producer has looked up; whatever changes the table forgets it.
type knownProducer struct {
	key  name.Key
	face FaceID
	set  bool
}

// advance fires the timers that are due.
func (w *Worker) advance() { w.wheel.Advance(w.now.Mono, w.fire) }

func (w *Worker) due(kind uint8, ref uint32) {
	switch kind {
	case timerPIT:
		w.pitDue(w.pit.At(int32(ref)))
	case timerSub:
		w.subDue(w.subs.At(int32(ref)))
	case timerPace:
		w.paceDue(int32(ref))
	case timerRepeat:
		w.repeatDue(int32(ref))
	case timerHouse:
		w.keepHouse()
	}
	if w.out.full() {
		w.flush()
	}
}

// keepHouse lets go of what has run out. Everything is checked when it is used as well, so this only frees memory.
func (w *Worker) keepHouse() {
	w.store.Advance(w.now.Mono, w.now.Wall)
	w.producers.Advance(w.now.Mono)
	w.forgetSleepers()
	w.wheel.Add(w.now.Mono+housekeeping, timerHouse, 0)
}

// faceDown ends what was expected from a face (P-16, P-17): an Interest that waits for it counts as returned.
func (w *Worker) faceDown(f *Face) {
	names := w.producers.Len()
	w.producers.DropFace(f.id)
	w.known.set = false
	if w.producers.Len() != names { // what it published may be had elsewhere
		w.reviseSubs(nil)
	}
	s := slotOf(f.id)
	if s >= len(w.asked) || w.asked[s] != f.id {
		return
	}
	w.asked[s] = 0
	var waits []table.PITKey
	w.pit.All(func(e *table.Entry) bool {
		if o := e.Out(f.id); o != nil && o.Returned == 0 {
			waits = append(waits, e.Key)
		}
		return true
	})
	for _, k := range waits {
		if e := w.pit.Find(k); e != nil {
			w.takeReturn(e, e.Out(f.id), wire.ReturnNoRoute)
		}
	}
	w.moveSubs(f.id)
}

// forget takes out what a face that is gone waits for: its number is not used again.
func (w *Worker) forget(f *Face) {
	if w.pit.Quota().Used(f.id) > 0 {
		var asks []table.PITKey
		w.pit.All(func(e *table.Entry) bool {
			if e.In(f.id) != nil {
				asks = append(asks, e.Key)
			}
			return true
		})
		for _, k := range asks {
			w.unask(w.pit.Find(k), f.id)
		}
	}
	if w.subs.Quota().Used(f.id) > 0 {
		var asks []name.Key
		w.subs.All(func(s *table.Sub) bool {
			if s.Asker(f.id) != nil {
				asks = append(asks, s.Key)
			}
			return true
		})
		for _, k := range asks {
			w.unsubscribeFace(w.subs.Find(k), f.id)
		}
	}
}

// faceUp sends our subscriptions that have that face as their best next hop (P-16).
func (w *Worker) faceUp(f *Face) {
	w.tellFace(f, true)
	w.reviseSubs(nil)
}

// setRoute is the control plane's word on the next hops of a prefix.
func (w *Worker) setRoute(net uint8, p name.Prefix, hops []table.Hop) {
	w.fib.Set(net, p, hops)
	w.tellRoute(RouteChange, net, p, 0, false)
	w.reviseSubs(&routeChange{net, p})
}

// outbox collects what is to be sent until the end of the burst.
type outbox struct {
	queues [][][]byte // by slot
	dirty  []*Face
	chunks [][]byte // frames are built here; they are not moved while they are queued
	chunk  int
	used   int
	frames int

	batch    Batch // of what is gathered
	list     []Delivery
	together []*Face // of list
}

const (
	chunkSize = 64 << 10
	maxChunks = 16   // beyond these the burst is sent in parts
	maxQueued = 8192 // frames
	keepQueue = 256  // slots of a queue that keep their memory
)

func (o *outbox) full() bool { return o.chunk >= maxChunks || o.frames >= maxQueued }

// take gives room for a frame of at most size bytes, as an empty slice with that capacity.
func (o *outbox) take(size int) []byte {
	if len(o.chunks) == 0 {
		o.chunks = append(o.chunks, make([]byte, chunkSize))
	}
	if o.used+size > chunkSize {
		o.chunk, o.used = o.chunk+1, 0
		if o.chunk == len(o.chunks) {
			o.chunks = append(o.chunks, make([]byte, chunkSize))
		}
	}
	b := o.chunks[o.chunk][o.used : o.used : o.used+size]
	o.used += size
	return b
}

// keep gives back what the frame that was taken room for last does not use: what leaves by one face then lies side by side, and a link
// can send it as one piece.
func (o *outbox) keep(raw []byte) []byte {
	o.used -= cap(raw) - len(raw)
	return raw[:len(raw):len(raw)]
}

// send queues a frame that stands in the outbox's memory. It tells whether the face can take it.
func (w *Worker) send(f *Face, raw []byte) bool {
	if !f.Up() {
		f.drop(drop.FaceDown)
		return false
	}
	if len(raw) > f.mtu() {
		f.drop(drop.TooBigFace)
		return false
	}
	o, s := &w.out, slotOf(f.id)
	for len(o.queues) <= s {
		o.queues = append(o.queues, nil)
	}
	if len(o.queues[s]) == 0 {
		o.dirty = append(o.dirty, f)
	}
	o.queues[s] = append(o.queues[s], raw)
	o.frames++
	return true
}

// flush hands the queues to the links.
func (w *Worker) flush() {
	if w.stages.clock == nil {
		w.sendAll()
		return
	}
	start := w.stages.clock()
	w.sendAll()
	w.stages.send += w.stages.clock() - start
}

func (w *Worker) sendAll() {
	o := &w.out
	for _, f := range o.dirty {
		s := slotOf(f.id)
		if f.many == nil {
			f.sent(o.queues[s], f.link.Send(o.queues[s]))
			continue
		}
		if b := f.many.Batch(); b != o.batch {
			o.sendBatch()
			o.batch = b
		}
		o.together, o.list = append(o.together, f), append(o.list, Delivery{Link: f.link, Frames: o.queues[s]})
	}
	o.sendBatch()
	for _, f := range o.dirty {
		s := slotOf(f.id)
		clear(o.queues[s])
		o.queues[s] = o.queues[s][:0]
		if cap(o.queues[s]) > keepQueue {
			o.queues[s] = nil
		}
	}
	o.dirty = o.dirty[:0]
	o.chunk, o.used, o.frames = 0, 0, 0
	if len(o.chunks) > 2 {
		clear(o.chunks[2:])
		o.chunks = o.chunks[:2]
	}
}

// sendBatch sends what was gathered for links that send together.
func (o *outbox) sendBatch() {
	if len(o.list) == 0 {
		return
	}
	o.batch.SendAll(o.list)
	for i, f := range o.together {
		f.sent(o.list[i].Frames, o.list[i].Sent)
	}
	clear(o.list)
	clear(o.together)
	o.list, o.together, o.batch = o.list[:0], o.together[:0], nil
}

// sent counts what a link has taken, the first n of some frames, and what it had no room for.
func (f *Face) sent(frames [][]byte, n int) {
	bytes := 0
	for _, raw := range frames[:n] {
		bytes += len(raw)
	}
	f.outFrames.Add(uint64(n))
	f.outBytes.Add(uint64(bytes))
	if lost := len(frames) - n; lost > 0 {
		f.drops[refusal(f.link)].Add(uint64(lost))
	}
}

// netIDOut is the Net ID to write on a frame that leaves by a face (P-19).
func (w *Worker) netIDOut(f *Face, k name.Key) uint32 { return w.n.netIDOut(f, k.Net()) }

// build makes a frame of our own, signed with the network's key in use.
func (w *Worker) build(f *Face, k name.Key, h wire.Header, payload []byte) []byte {
	h.Name, h.NetID, h.KeyID = k.Name(), w.netIDOut(f, k), w.n.cfg.Keys.Use(k.Net())
	raw := h.Append(w.out.take(wire.MinFrame+wire.NetIDSize+len(payload)), payload)
	if err := w.v.Sign(k.Net(), raw); err != nil {
		panic(err) // NewKeyring has checked that Use has a key
	}
	return w.out.keep(raw)
}
