package forward_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
)

// void is a link that takes everything.
type void struct{ frames atomic.Int64 }

func (v *void) Send(frames [][]byte) int { v.frames.Add(int64(len(frames))); return len(frames) }
func (v *void) Close()                   {}

// Several readers, timers, strangers, faces that come and go, and status at once: for the race detector. In the end nothing is left.
func TestHammer(t *testing.T) {
	k := newKit(t, 1)
	cfg := k.config(1, 1, workers(4))
	cfg.Happened, cfg.Random = nil, nil
	n, err := forward.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	all := name.NewPrefixSet(name.Prefix{})
	l := &forward.Listener{Policy: forward.FaceConfig{Publish: all, Clock: true}}
	var clock atomic.Int64
	now := func() forward.Now {
		mono := time.Duration(clock.Add(int64(100 * time.Microsecond)))
		return forward.Now{Mono: mono, Wall: mesh.Epoch + mono.Milliseconds()}
	}
	link := &void{}
	up, _ := n.AddFace(now(), forward.FaceConfig{Announce: all, Hello: true}, link)
	var frames [][]byte
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		raw := k.anything(rng)
		frames = append(frames, raw, k.interest("01ff03010000", 0, 2), k.content("010204010000", rng.Uint32N(1000)+1, "x"))
	}
	var group sync.WaitGroup
	loop := func(fn func(i int)) {
		group.Go(func() {
			for i := range 1500 {
				fn(i)
			}
		})
	}
	for g := range 3 {
		in := n.Ingress()
		f, _ := n.AddFace(now(), forward.FaceConfig{Publish: all, Proxy: g == 0}, link)
		loop(func(i int) {
			in.Begin(now())
			in.Add(f, frames[(i*7+g)%len(frames)])
			if i%3 == 0 {
				in.Unknown(l, forward.Peer{Source: uint64(i % 20), Address: uint64(i % 5), Link: func() forward.Link { return link }}, frames[(i*5)%len(frames)])
			}
			in.Run()
		})
	}
	loop(func(i int) {
		f, _ := n.AddFace(now(), forward.FaceConfig{}, link)
		n.AddRoute(now(), 0, prefix("01"), f.ID(), 1)
		n.SetUp(now(), up.ID(), i%2 == 0)
		n.RemoveRoute(now(), 0, prefix("01"), f.ID())
		n.RemoveFace(now(), f.ID())
		if i%100 == 0 {
			n.SetPolicy(now(), l, forward.FaceConfig{Publish: all, Clock: i%200 == 0})
		}
	})
	loop(func(i int) {
		n.Advance(now())
		n.Next()
		n.Worker(i % 4).Stats()
		n.ListenerCounters(l)
		n.Faces(func(f *forward.Face) { f.Counters() })
		n.Routes(now())
	})
	group.Wait()
	if link.frames.Load() == 0 {
		t.Error("nothing was sent")
	}
	at := now()
	for range 200 {
		at.Mono += time.Minute
		n.Advance(at)
	}
	for i := range n.Workers() {
		w := n.Worker(i)
		if s := w.Stats(); s.PIT+s.PITRecords+s.Subscriptions+s.Askers+s.Producers+w.Pacers() != 0 || w.Timers() != 1 {
			t.Errorf("left: %+v, %d pacers, %d timers", s, w.Pacers(), w.Timers())
		}
	}
}
