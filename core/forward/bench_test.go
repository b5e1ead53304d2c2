package forward_test

import (
	"testing"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/wire"
)

// sink is a link that counts what it is given, and keeps the last frame's length.
type sink struct{ frames, bytes int }

func (s *sink) Send(frames [][]byte) int {
	for _, f := range frames {
		s.bytes += len(f)
	}
	s.frames += len(frames)
	return len(frames)
}

func (s *sink) Close() {}

// rig is one node with a producer, a consumer and an upstream face, without a mesh: for benchmarks.
type rig struct {
	*kit
	n                  *forward.Node
	in                 *forward.Ingress
	sensor, reader, up *forward.Face
	toSensor, toReader sink
	toUp               sink
}

func newRig(tb testing.TB) *rig {
	k := newKit(tb, 1)
	cfg := k.config(1, 1)
	cfg.Store = func(int) forward.Store {
		return store.NewShard(store.Config{LogBytes: 8 << 20, MaxRatePerName: store.Unlimited})
	}
	n, err := forward.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	r := &rig{kit: k, n: n, in: n.Ingress()}
	r.sensor, _ = n.AddFace(r.now(), plain(), &r.toSensor)
	r.reader, _ = n.AddFace(r.now(), forward.FaceConfig{}, &r.toReader)
	r.up, _ = n.AddFace(r.now(), forward.FaceConfig{}, &r.toUp)
	n.AddRoute(r.now(), 0, prefix("02"), r.up.ID(), 1)
	return r
}

func (r *rig) now() forward.Now { return forward.Now{Mono: r.m.Now().Mono + 1e9, Wall: mesh.Epoch} }

func (r *rig) put(now forward.Now, f *forward.Face, raw []byte) {
	r.in.Begin(now)
	r.in.Add(f, raw)
	r.in.Run()
}

// BenchmarkHit is an Interest that the store answers: parsed, verified, answered, queued and flushed.
func BenchmarkHit(b *testing.B) {
	r := newRig(b)
	now := r.now()
	r.put(now, r.sensor, r.content(temp, 5, "0123456789012345678901234567890123456789"))
	ask := r.interest(temp, 5, 2)
	b.ReportAllocs()
	for b.Loop() {
		r.put(now, r.reader, ask)
	}
	if r.toReader.frames < b.N {
		b.Fatalf("%d answers to %d Interests", r.toReader.frames, b.N)
	}
}

// BenchmarkForward is a round: Interest in and out, Content in and out, each for another name.
func BenchmarkForward(b *testing.B) {
	r := newRig(b)
	const names = 1 << 14
	asks, answers := make([][]byte, names), make([][]byte, names)
	for i := range asks {
		h := wire.Header{Name: nm("020000000000"), Seq: 7, TTL: 7}
		h.Name[1], h.Name[2], h.Name[3] = byte(i>>10)+1, byte(i>>5)&31+1, byte(i)&31+1
		a := wire.MakeAsked(mesh.Epoch, 2)
		asks[i] = r.frame(h, a[:])
		h.Type = wire.Content
		answers[i] = r.frame(h, []byte("0123456789012345678901234567890123456789"))
	}
	now := r.now()
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		// Another number and timestamp each time round would need another MAC: the store and the seen-table forget instead.
		if i&(names-1) == 0 {
			b.StopTimer()
			now.Mono += 3600e9 * 25
			now.Wall += 3600e3 * 25
			r.n.Advance(now)
			b.StartTimer()
		}
		r.put(now, r.reader, asks[i&(names-1)])
		r.put(now, r.up, answers[i&(names-1)])
		i++
	}
	if r.toReader.frames < b.N || r.toUp.frames < b.N {
		b.Fatalf("%d Interests out and %d Contents out of %d rounds", r.toUp.frames, r.toReader.frames, b.N)
	}
}
