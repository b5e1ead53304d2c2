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

// BenchmarkDecide is a decision by a Go guest with eight next hops, of which the last is free.
func BenchmarkDecide(b *testing.B) {
	m, err := NewManager(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	if err := m.Load(context.Background(), Spec{Name: "s", Source: builtin(b, "best-route")}); err != nil {
		b.Fatal(err)
	}
	s := strategyOf(b, m, "s", 0)
	ev, out := &forward.Event{InFace: 1}, make([]forward.Command, 0, 4)
	for f := range forward.FaceID(forward.MaxHops) {
		ev.Hops = append(ev.Hops, forward.NextHop{Face: f + 1, Cost: uint16(f), State: forward.HopTried})
	}
	ev.Hops[7].State = 0
	b.ReportAllocs()
	before := userTime()
	for b.Loop() {
		out = s.Decide(ev, out[:0])
	}
	b.ReportMetric(float64(userTime()-before)/float64(b.N), "user-ns/op") // what another process on the machine does not change
}
