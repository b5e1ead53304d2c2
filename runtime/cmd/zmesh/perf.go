package main

import (
	"context"
	"fmt"
	"time"

	"github.com/zmesh/zmesh/runtime/admin"
)

// perf shows where a running node's time goes.
func (e *env) perf(ctx context.Context) error {
	return read(e, ctx, "/v1/perf", func(p admin.Perf) {
		fmt.Fprintf(e.out, "CPU       %s in %s, %.1f %% of a core\n", p.CPU.Round(time.Millisecond), p.Uptime.Round(time.Millisecond), 100*p.CPU.Seconds()/max(p.Uptime.Seconds(), 1e-9))
		whole := 0.0
		for _, s := range p.Stages {
			whole += s.Each
		}
		e.table("STAGE NS/FRAME SHARE SAMPLED", func(add func(...any)) {
			for _, s := range p.Stages {
				add(s.Name, fmt.Sprintf("%.0f", s.Each), fmt.Sprintf("%.0f %%", 100*s.Each/max(whole, 1)), s.Frames)
			}
		})
		e.table("SOCKET READERS IN BURSTS IN/BURST IN/CALL NAPS JOINED LOST OUT OUT/CALL SEGMENTS OFFLOAD", func(add func(...any)) {
			for _, s := range p.Sockets {
				add(or(s.Name, "(remotes)"), s.Readers, s.Datagrams, s.Bursts, per(s.Datagrams, s.Bursts), per(s.Datagrams, s.ReadCalls), s.Naps, s.Joined, s.Overflow,
					s.Sent, per(s.Sent, s.SendCalls), s.Segments, map[bool]string{true: "yes", false: "no"}[s.Offload])
			}
		})
	})
}

func per(n, of uint64) string { return fmt.Sprintf("%.1f", float64(n)/float64(max(of, 1))) }
