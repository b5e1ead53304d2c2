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
// measured of them and keeps a block; once where only the last one is left, and once for a first Interest, where all are weighed.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		of, name string
		tried    forward.HopState
	}{{"best-route", "best-route", forward.HopTried}, {"adaptive", "adaptive", forward.HopTried}, {"adaptive first", "adaptive", 0}} {
		b.Run(c.of, func(b *testing.B) {
			name := c.name
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
			for k := range ev.Hops[:7] {
				ev.Hops[k].State = forward.HopMeasured | c.tried
			}
			b.ReportAllocs()
			before := userTime()
			for b.Loop() {
				out = s.Decide(ev, out[:0])
			}
			b.ReportMetric(float64(userTime()-before)/float64(b.N), "user-ns/op") // what another process on the machine does not change
		})
	}
}
