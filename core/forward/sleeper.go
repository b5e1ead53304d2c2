package forward

import (
	"sync"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// sleeper is a proxy entry (P-8): a device that sleeps between its frames, by name and face, with the Interests that wait for its
// next one.
type sleeper struct {
	face  FaceID
	heard time.Duration
	held  []table.PITKey
}

// sleeperHeard takes a Content from a producer face on a face that serves sleepers. With ProxyMe it makes the entry, if it was not
// seen before; without, it ends it. Either way the device is awake now, so what was held for it leaves at once, which is within the 50 ms that it listens.
func (w *Worker) sleeperHeard(r *received, unseen bool) {
	if !r.face.cfg.Proxy {
		return
	}
	s, had := w.proxies.Get(r.key)
	if had || r.ProxyMe {
		w.settle() // what came before this frame is for the device now, not when it sends the next one
	}
	if had && s.face == r.face.id {
		s.heard = w.now.Mono
		r.face.pull.awake(w.now.Mono, r.key)
		w.wake(s, r.face)
	}
	switch {
	case r.ProxyMe && unseen && (!had || s.face != r.face.id):
		if had { // its device has come to this face
			w.removeSleeper(r.key, s)
		}
		w.addSleeper(r.key, r.face)
	case !r.ProxyMe && had && s.face == r.face.id:
		w.removeSleeper(r.key, s)
	}
}

func (w *Worker) addSleeper(k name.Key, f *Face) {
	if w.proxyQuota.Take(f.id) {
		w.proxies.Put(k, &sleeper{face: f.id, heard: w.now.Mono})
		f.naps.Add(1)
		f.pull.awake(w.now.Mono, k)
	}
}

func (w *Worker) removeSleeper(k name.Key, s *sleeper) {
	w.proxyQuota.Give(s.face)
	w.proxies.Delete(k)
	w.known.set = false
	if f := w.face(s.face); f != nil {
		f.naps.Add(-1)
		f.pull.forget(k)
	}
}

// asleep is the face of a name's sleeper; 0 if it has none. It outlasts the producer's hold: who sleeps is silent.
func (w *Worker) asleep(k name.Key) FaceID {
	if w.proxies.Len() == 0 {
		return 0
	}
	if s, ok := w.proxies.Get(k); ok && w.now.Mono-s.heard < w.lim.ProxyHold {
		return s.face
	}
	return 0
}

// Pull is what a sleeper asked for last besides its own name: its commands are contents of another name, and it asks for the number after the last
// one that it has had (P-8).
type Pull struct {
	Name name.Name
	Next uint32
}

// pulls are those of a face. A command's name says nothing of whose it is, and belongs to another worker perhaps; that it is asked for just after a
// sleeper's frame does.
type pulls struct {
	mu   sync.Mutex
	key  name.Key // the sleeper that was heard last
	at   time.Duration
	next map[name.Key]Pull
}

// awakeFor is how long after its frame what comes from its face is taken for a sleeper's.
const awakeFor = 5 * time.Second

func (p *pulls) awake(now time.Duration, k name.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.at = k, now
}

func (p *pulls) asked(now time.Duration, k name.Key, seq uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.key != 0 && p.key != k && now-p.at < awakeFor {
		p.next[p.key] = Pull{k.Name(), seq}
	}
}

func (p *pulls) forget(k name.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.next, k)
	if p.key == k {
		p.key = 0
	}
}

func (p *pulls) of(k name.Key) Pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next[k]
}

// Sleeper is how a device that sleeps stands.
type Sleeper struct {
	Net   uint8
	Name  name.Name
	Face  *Face
	Heard time.Duration // when its last frame came
	Held  int           // Interests that wait for its next one
	Pull  Pull          // zero: it has asked for nothing yet
}

// Sleepers lists all sleepers.
func (n *Node) Sleepers(now Now) (list []Sleeper) {
	for _, w := range n.workers {
		w.mu.Lock()
		w.begin(now)
		for k, s := range w.proxies.All() {
			if f := w.face(s.face); f != nil {
				w.dropStaleHeld(s)
				list = append(list, Sleeper{Net: k.Net(), Name: k.Name(), Face: f, Heard: s.heard, Held: len(s.held), Pull: f.pull.of(k)})
			}
		}
		w.mu.Unlock()
	}
	return list
}

// wake sends what was held.
func (w *Worker) wake(s *sleeper, f *Face) {
	for _, key := range s.held {
		e := w.pit.Find(key)
		if e == nil {
			continue
		}
		o, in := e.Out(f.id), asker(e)
		if o == nil || !o.Held || in == nil {
			continue
		}
		w.transmit(e, in, f)
		w.schedule(e)
	}
	s.held = s.held[:0]
}

// hold keeps an Interest for a sleeper instead of sending it: at most Held of them, each no longer than its expiry. It tells
// whether the face's device sleeps. One for which there is no room counts as returned for congestion.
func (w *Worker) hold(e *table.Entry, in *table.In, f *Face) bool {
	if !f.cfg.Proxy || !w.sleeps(e.Key.Name, f) {
		return false
	}
	s, _ := w.proxies.Get(e.Key.Name)
	o := e.Upsert(f.id)
	if o.Held && o.Deadline >= in.Deadline {
		return true
	}
	had := o.Held
	if !had {
		w.dropStaleHeld(s)
	}
	*o = table.Out{Face: f.id, Sent: w.now.Mono, Deadline: in.Deadline, Asked: in.Asked, Held: true}
	in.Sent = true
	w.noteAsked(f)
	if had {
		return true
	}
	if len(s.held) >= w.lim.Held {
		o.Held, o.Returned = false, wire.ReturnCongestion
		return true
	}
	s.held = append(s.held, e.Key)
	w.stats.Held++
	return true
}

// sleeps tells whether the device of a name, at a face that serves sleepers, is one.
func (w *Worker) sleeps(k name.Key, f *Face) bool {
	s, ok := w.proxies.Get(k)
	return ok && s.face == f.id && w.now.Mono-s.heard < w.lim.ProxyHold
}

// dropStaleHeld takes out what is no longer pending.
func (w *Worker) dropStaleHeld(s *sleeper) {
	kept := s.held[:0]
	for _, key := range s.held {
		if e := w.pit.Find(key); e != nil {
			if o := e.Out(s.face); o != nil && o.Held {
				kept = append(kept, key)
			}
		}
	}
	s.held = kept
}

// forgetSleepers ends the entries that were silent for ProxyHold.
func (w *Worker) forgetSleepers() {
	if w.proxies.Len() == 0 {
		return
	}
	var gone []name.Key
	for k, s := range w.proxies.All() {
		if w.now.Mono-s.heard >= w.lim.ProxyHold || w.face(s.face) == nil {
			gone = append(gone, k)
		}
	}
	for _, k := range gone {
		if s, ok := w.proxies.Get(k); ok {
			w.removeSleeper(k, s)
		}
	}
}
