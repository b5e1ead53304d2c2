package plugin

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// tally is a link that counts what it is given.
type tally struct{ frames int }

func (c *tally) Send(frames [][]byte) int { c.frames += len(frames); return len(frames) }
func (c *tally) Close()                   {}

// BenchmarkRound is a forwarded round, Interest and Content, in bursts of 64, with one next hop: what a strategy adds to the whole way of a frame, what
// the worker keeps and measures for it included. The first is the core's own.
func BenchmarkRound(b *testing.B) {
	for _, strategy := range []string{"", "best-route", "adaptive"} {
		of := strategy
		if of == "" {
			of = "core"
		}
		b.Run(of, func(b *testing.B) {
			var s forward.Strategy = forward.BestRoute{}
			if strategy != "" {
				m, _ := manager(b, Options{})
				load(b, m, strategy, builtin(b, strategy))
				s = strategyOf(b, m, strategy, 0)
			}
			roundsWith(b, s)
		})
	}
}

func roundsWith(b *testing.B, s forward.Strategy) {
	const names, burst = 1 << 12, 64
	ring, err := wire.NewKeyring(wire.Network{Keys: [4]*[16]byte{&netKey}})
	if err != nil {
		b.Fatal(err)
	}
	naming, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical})
	if err != nil {
		b.Fatal(err)
	}
	n, err := forward.New(forward.Config{
		ID: 1, Keys: ring, Naming: []*name.Network{naming}, Seed: table.Seed{1, 2}, Random: func() uint64 { return 1 },
		Strategy: func(int) forward.Strategy { return s },
		Store: func(int) forward.Store {
			return store.NewShard(store.Config{LogBytes: 8 << 20, MaxRatePerName: store.Unlimited, HourBytes: 1 << 40, Wall: mesh.Epoch})
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	now := forward.Now{Mono: time.Second, Wall: mesh.Epoch}
	var toReader, toUp tally
	reader, _ := n.AddFace(now, forward.FaceConfig{}, &toReader)
	up, _ := n.AddFace(now, forward.FaceConfig{}, &toUp)
	n.AddRoute(now, 0, name.MakePrefix(topic, 1), up.ID(), 1)
	v, in := ring.Verifier(), n.Ingress()
	sign := func(raw []byte) []byte {
		if err := v.Sign(0, raw); err != nil {
			b.Fatal(err)
		}
		return raw
	}
	var asks, answers [][]byte
	for i := range names {
		h := wire.Header{Name: name.Name{topic[0], 1, byte(i>>6) + 1, byte(i)&63 + 1}, Seq: 1, TTL: 7}
		a := wire.MakeAsked(mesh.Epoch, 2)
		asks = append(asks, sign(h.Append(nil, a[:])))
		h.Type = wire.Content
		answers = append(answers, sign(h.Append(nil, make([]byte, 40))))
	}
	put := func(f *forward.Face, frames [][]byte) {
		in.Begin(now)
		for _, raw := range frames {
			in.Add(f, raw)
		}
		in.Run()
	}
	before := userTime()
	b.ReportAllocs()
	b.ResetTimer()
	signing := time.Duration(0)
	for done, i, seq := 0, 0, uint32(1); done < b.N; done += burst {
		if i == names {
			b.StopTimer()
			start := userTime()
			i, seq = 0, seq+1
			for _, frames := range [][][]byte{asks, answers} {
				for _, raw := range frames {
					raw[8], raw[9], raw[10] = byte(seq>>16), byte(seq>>8), byte(seq)
					sign(raw)
				}
			}
			now.Mono += 10 * time.Millisecond
			n.Advance(now)
			signing += userTime() - start
			b.StartTimer()
		}
		put(reader, asks[i:i+burst])
		put(up, answers[i:i+burst])
		i += burst
	}
	b.ReportMetric(float64(userTime()-before-signing)/float64(b.N), "user-ns/op")
	if toReader.frames < b.N || toUp.frames < b.N {
		b.Fatalf("%d Interests out and %d Contents out of %d rounds", toUp.frames, toReader.frames, b.N)
	}
}
