package store

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// filled makes a shard with n names of 10 contents each, as large as 45 bytes of radio payload make them.
func filled(b *testing.B, n int) *Shard {
	s := NewShard(Config{MaxRatePerName: Unlimited, HourBytes: 1 << 40, LogBytes: 256 << 20, MaxNames: n, Seed: [2]uint64{7, 8}})
	p := Put{Body: make([]byte, 59), Now: time.Second, Producer: true}
	for i := range 10 * n {
		p.Key, p.Seq = key(i%n), uint32(i/n+1)
		binary.BigEndian.PutUint64(p.Body, uint64(i))
		if out := s.Put(&p); out.Verdict != Stored {
			b.Fatalf("%+v", out)
		}
	}
	return s
}

// scattered visits names in an order that no cache guesses.
func scattered(i, n int) name.Key { return key(int(uint64(i) * 7919 % uint64(n))) }

func BenchmarkExactHit(b *testing.B) {
	for _, n := range []int{1000, 50_000} {
		b.Run(label(n), func(b *testing.B) {
			s := filled(b, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, st := s.Exact(scattered(i, n), uint32(i%10)+1); st != Hit {
					b.Fatal(st)
				}
			}
		})
	}
}

func BenchmarkExactMiss(b *testing.B) {
	s := filled(b, 50_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, st := s.Exact(scattered(i, 50_000), 11); st != Miss {
			b.Fatal(st)
		}
	}
}

func BenchmarkNewestHit(b *testing.B) {
	for _, n := range []int{1000, 50_000} {
		b.Run(label(n), func(b *testing.B) {
			s := filled(b, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, st := s.Newest(scattered(i, n)); st != Hit {
					b.Fatal(st)
				}
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	for _, n := range []int{1000, 50_000} {
		b.Run(label(n), func(b *testing.B) {
			s := filled(b, n)
			p := Put{Body: make([]byte, 59), Now: time.Second, Producer: true}
			b.ReportAllocs()
			for i := 10 * n; b.Loop(); i++ {
				p.Key, p.Seq = key(i%n), uint32(i/n+1)
				binary.BigEndian.PutUint64(p.Body, uint64(i))
				if out := s.Put(&p); out.Verdict != Stored {
					b.Fatalf("%+v", out)
				}
			}
		})
	}
}

func BenchmarkPutNewNames(b *testing.B) {
	s := NewShard(Config{Sorted: true, MaxNames: 1 << 30, HourBytes: 1 << 40, LogBytes: 8 << 20, Seed: [2]uint64{7, 8}})
	p := Put{Body: make([]byte, 59), Now: time.Second, Producer: true, Seq: 1}
	for i := 0; b.Loop(); i++ {
		p.Key = name.Key(uint64(i) * 0x9E3779B97F4A7C15 >> 16)
		s.Put(&p)
	}
}

func label(n int) string {
	if n >= 1000 {
		return map[int]string{1000: "1k_names", 50_000: "50k_names"}[n]
	}
	return "names"
}
