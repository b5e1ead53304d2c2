package forward_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
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

func newRig(tb testing.TB) *rig { return newRigWith(tb, func(*forward.Config) {}) }

func newRigWith(tb testing.TB, change func(*forward.Config)) *rig {
	k := newKit(tb, 1)
	cfg := k.config(1, 1)
	cfg.Store = func(int) forward.Store {
		return store.NewShard(store.Config{LogBytes: 8 << 20, MaxRatePerName: store.Unlimited, HourBytes: 1 << 40})
	}
	change(&cfg)
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

// rounds is a set of Interests and the Contents that answer them, each for another name.
type rounds struct{ asks, answers [][]byte }

const roundNames = 1 << 12

// rounds makes them, all for one number.
func (r *rig) rounds(seq uint32) (out rounds) {
	for i := range roundNames {
		h := wire.Header{Name: nm("020000000000"), Seq: seq, TTL: 7}
		h.Name[1], h.Name[2], h.Name[3] = byte(i>>10)+1, byte(i>>5)&31+1, byte(i)&31+1
		a := wire.MakeAsked(mesh.Epoch, 2)
		out.asks = append(out.asks, r.frame(h, a[:]))
		h.Type = wire.Content
		out.answers = append(out.answers, r.frame(h, []byte("0123456789012345678901234567890123456789")))
	}
	return out
}

// number gives all of them another number, in place.
func (r *rig) number(f *rounds, seq uint32) {
	for _, frames := range [][][]byte{f.asks, f.answers} {
		for _, raw := range frames {
			raw[8], raw[9], raw[10] = byte(seq>>16), byte(seq>>8), byte(seq)
			if err := r.v.Sign(0, raw); err != nil {
				r.Fatal(err)
			}
		}
	}
}

// burst hands over some frames at once, as a link's reader does.
func (r *rig) burst(now forward.Now, f *forward.Face, raw [][]byte) {
	r.in.Begin(now)
	for _, b := range raw {
		r.in.Add(f, b)
	}
	r.in.Run()
}

// BenchmarkForward is a round: Interest in and out, Content in, stored and out. Each is for another name, each name's next number when its
// turn comes again, so that in the end each content stored is another one's that goes. Frames come one by one, and in full bursts.
func BenchmarkForward(b *testing.B) {
	for _, burst := range []int{1, 64} {
		b.Run(strconv.Itoa(burst), func(b *testing.B) {
			r := newRig(b)
			now, seq, i := r.now(), uint32(1), 0
			f := r.rounds(seq)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += burst {
				if i == roundNames {
					b.StopTimer()
					seq, i = seq+1, 0
					r.number(&f, seq)
					now = later(now, 10*time.Millisecond)
					b.StartTimer()
				}
				r.burst(now, r.reader, f.asks[i:i+burst])
				r.burst(now, r.up, f.answers[i:i+burst])
				i += burst
			}
			if r.toReader.frames < b.N || r.toUp.frames < b.N {
				b.Fatalf("%d Interests out and %d Contents out of %d rounds", r.toUp.frames, r.toReader.frames, b.N)
			}
		})
	}
}

func later(now forward.Now, d time.Duration) forward.Now {
	return forward.Now{Mono: now.Mono + d, Wall: now.Wall + d.Milliseconds()}
}

// TestPathDoesNotAllocate: a hit and a forwarded round, once the tables have grown to what they hold.
func TestPathDoesNotAllocate(t *testing.T) {
	r := newRigWith(t, func(c *forward.Config) {
		c.Store = func(int) forward.Store {
			return store.NewShard(store.Config{LogBytes: 1 << 20, MaxRatePerName: store.Unlimited, HourBytes: 1 << 40})
		}
	})
	now := r.now()
	f := r.rounds(1)
	for seq := uint32(2); seq <= 6; seq++ { // so that tables and memory have grown, and what is stored takes the place of something
		for i := range f.asks {
			r.put(now, r.reader, f.asks[i])
			r.put(now, r.up, f.answers[i])
		}
		now = later(now, time.Minute)
		r.number(&f, seq)
	}
	i := 0
	round := func() {
		r.put(now, r.reader, f.asks[i])
		r.put(now, r.up, f.answers[i])
		i++
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("a forwarded round allocates %v times", n)
	}
	r.put(now, r.sensor, r.content(temp, 5, "21.5"))
	ask := r.interest(temp, 5, 2)
	before := r.toReader.frames
	if n := testing.AllocsPerRun(1000, func() { r.put(now, r.reader, ask) }); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
	if r.toReader.frames-before != 1001 {
		t.Errorf("%d answers to 1,001 Interests", r.toReader.frames-before)
	}
}

// ways is a node with several workers, and for each of them names that it owns and links of its own.
type ways struct {
	n    *forward.Node
	in   []*forward.Ingress
	from []*forward.Face
	asks [][][]byte
}

// BenchmarkWorkers is hits in bursts of 64: by one goroutine with one worker, and by two goroutines, each with names of its own worker.
// The rate of the second over that of the first is what a second core gives.
func BenchmarkWorkers(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(strconv.Itoa(workers), func(b *testing.B) {
			w := newWays(b, workers)
			b.ResetTimer()
			var all sync.WaitGroup
			for i := range workers {
				all.Go(func() {
					now := forward.Now{Mono: time.Hour, Wall: mesh.Epoch}
					for n := 0; n < b.N/workers; n += len(w.asks[i]) {
						w.in[i].Begin(now)
						for _, raw := range w.asks[i] {
							w.in[i].Add(w.from[i], raw)
						}
						w.in[i].Run()
					}
				})
			}
			all.Wait()
		})
	}
}

func newWays(tb testing.TB, workers int) *ways {
	k := newKit(tb, 1)
	cfg := k.config(1, 1)
	cfg.Workers = workers
	cfg.Store = func(int) forward.Store {
		return store.NewShard(store.Config{LogBytes: 8 << 20, MaxRatePerName: store.Unlimited})
	}
	n, err := forward.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	now := forward.Now{Mono: time.Hour, Wall: mesh.Epoch}
	sensor, _ := n.AddFace(now, plain(), &sink{})
	w := &ways{n: n, asks: make([][][]byte, workers)}
	for range workers {
		f, _ := n.AddFace(now, forward.FaceConfig{}, &sink{})
		w.in, w.from = append(w.in, n.Ingress()), append(w.from, f)
	}
	for i, full := 0, 0; full < workers; i++ {
		h := wire.Header{Name: nm("010000000000"), Seq: 7, TTL: 7}
		h.Name[1], h.Name[2] = byte(i>>6)+1, byte(i)&63+1
		at := forward.Owner(cfg.Seed, workers, name.MakeKey(0, h.Name))
		if len(w.asks[at]) == 64 {
			continue
		}
		asked := wire.MakeAsked(mesh.Epoch, 2)
		w.asks[at] = append(w.asks[at], k.frame(h, asked[:]))
		if len(w.asks[at]) == 64 {
			full++
		}
		h.Type = wire.Content
		w.in[0].Begin(now)
		w.in[0].Add(sensor, k.frame(h, []byte("0123456789012345678901234567890123456789")))
		w.in[0].Run()
	}
	return w
}
