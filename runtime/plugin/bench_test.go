//go:build unix

package plugin

import (
	"context"
	"fmt"
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

// BenchmarkTogether is the same in bursts of 64 Interests under one route, with one next hop and with eight: ns for each of them.
func BenchmarkTogether(b *testing.B) {
	for _, c := range []struct {
		name string
		hops int
	}{{"best-route", 1}, {"adaptive", 1}, {"adaptive", 8}} {
		b.Run(fmt.Sprintf("%s/%d", c.name, c.hops), func(b *testing.B) {
			m, err := NewManager(Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			if err := m.Load(context.Background(), Spec{Name: "s", Source: builtin(b, c.name)}); err != nil {
				b.Fatal(err)
			}
			s := strategyOf(b, m, "s", 0).(forward.Gatherer)
			events, out, route := make([]forward.Event, forward.MaxTogether), room(forward.MaxTogether), &forward.RouteScratch{}
			for k := range events {
				ev := busy()
				ev.Hops = ev.Hops[8-c.hops:]
				ev.Route, ev.Seq = route, uint32(k+1)
				for k := range ev.Hops {
					ev.Hops[k].State = forward.HopMeasured
				}
				events[k] = *ev
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := userTime()
			for n := 0; n < b.N; n += len(events) {
				for k := range out {
					out[k] = out[k][:0]
				}
				s.DecideAll(events, out)
			}
			b.ReportMetric(float64(userTime()-before)/float64(b.N), "user-ns/op")
		})
	}
}
