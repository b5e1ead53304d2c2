//go:build unix

package plugin

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
)

// userTime is the processor time that this process has used.
func userTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano())
}

// BenchmarkDecide is a decision by a Go guest: best-route, which reads the states of eight next hops, and adaptive, which weighs what was
// measured of them and keeps a block.
func BenchmarkDecide(b *testing.B) {
	for _, name := range []string{"best-route", "adaptive"} {
		b.Run(name, func(b *testing.B) {
			m, err := NewManager(Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			if err := m.Load(context.Background(), Spec{Name: "s", Source: builtin(b, name)}); err != nil {
				b.Fatal(err)
			}
			s := strategyOf(b, m, "s", 0)
			ev, out := busy(), make([]forward.Command, 0, 4)
			b.ReportAllocs()
			before := userTime()
			for b.Loop() {
				out = s.Decide(ev, out[:0])
			}
			b.ReportMetric(float64(userTime()-before)/float64(b.N), "user-ns/op") // what another process on the machine does not change
		})
	}
}
