package forward

import (
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
	if had && s.face == r.face.id {
		s.heard = w.now.Mono
		w.wake(s, r.face)
	}
	switch {
	case r.ProxyMe && unseen && (!had || s.face != r.face.id):
		if had { // its device has come to this face
			w.removeSleeper(r.key, s)
		}
		w.addSleeper(r.key, r.face.id)
	case !r.ProxyMe && had && s.face == r.face.id:
		w.removeSleeper(r.key, s)
	}
}

func (w *Worker) addSleeper(k name.Key, face FaceID) {
	if w.proxyQuota.Take(face) {
		w.proxies.Put(k, &sleeper{face: face, heard: w.now.Mono})
	}
}

func (w *Worker) removeSleeper(k name.Key, s *sleeper) {
	w.proxyQuota.Give(s.face)
	w.proxies.Delete(k)
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
