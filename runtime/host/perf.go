package host

import (
	"time"

	"github.com/zmesh/zmesh/runtime/admin"
)

// Perf implements admin.Node.
func (h *Host) Perf() admin.Perf {
	p := admin.Perf{CPU: processCPU(), Uptime: time.Since(h.start), Sockets: []admin.Socket{}}
	var read time.Duration
	var of uint64
	for _, s := range h.udp.Sockets() {
		c := s.Counters()
		read += c.Timed
		of += c.TimedOf
		p.Sockets = append(p.Sockets, admin.Socket{
			Name: s.Name(), Readers: s.Readers(), Datagrams: c.Datagrams, Bursts: c.Bursts, ReadCalls: c.ReadCalls, Naps: c.Naps, Joined: c.Joined,
			Overflow: c.Overflow, Sent: c.Sent, SendCalls: c.SendCalls, Segments: c.Segments, Offload: c.NoOffload == 0, SendFull: c.SendFull,
		})
	}
	n := h.node.Perf()
	p.Stages = []admin.Stage{
		stage("receive", read, of), stage("verify", n.Verify, n.Frames), stage("forward", n.Forward, n.Frames),
		stage("strategy", n.Strategy, n.Frames), stage("store", n.Store, n.Frames), stage("send", n.Send, n.Frames),
	}
	return p
}

func stage(name string, d time.Duration, frames uint64) admin.Stage {
	return admin.Stage{Name: name, Time: d, Frames: frames, Each: float64(d) / float64(max(frames, 1))}
}
