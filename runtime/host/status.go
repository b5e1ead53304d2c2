package host

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/faces/udp"
	"github.com/zmesh/zmesh/runtime/admin"
)

// Version is what the program says of itself: the module's version, or that it was built from a working tree.
func Version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}

// Status implements admin.Node.
func (h *Host) Status() admin.Status {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	now, cfg := h.now(), h.cfg.Load()
	s := admin.Status{
		Name: cfg.Node.Name, ID: fmt.Sprintf("%08x", cfg.Node.ID), NetID: fmt.Sprintf("%08x", cfg.Node.NetID),
		Naming: cfg.Own().Naming().String(), Version: Version(), Boot: h.boot, Uptime: now.Mono, Workers: h.node.Workers(),
		Memory: mem.HeapInuse, Routes: len(h.node.Routes(now)), Drops: map[string]uint64{}, Store: h.Store(),
		PluginJournal: h.journalStatus(),
	}
	h.node.Faces(func(*forward.Face) { s.Faces++ })
	for _, c := range h.totals() {
		s.InFrames += c.InFrames
		s.OutFrames += c.OutFrames
		for why, n := range dropMap(c.Drops) {
			s.Drops[why] += n
		}
	}
	for i := range h.node.Workers() {
		addWorker(&s, h.node.Worker(i).Stats())
	}
	return s
}

func addWorker(s *admin.Status, w forward.WorkerStats) {
	t, n := &s.Tables, &s.Totals
	t.PIT += w.PIT
	t.PITRecords += w.PITRecords
	t.Subscriptions += w.Subscriptions
	t.Subscribers += w.Askers
	t.Producers += w.Producers
	t.Sleepers += w.Sleepers
	t.HeldFrames += w.HeldFrames
	n.StoreHits += w.StoreHits
	n.Merged += w.Merged
	n.Forwarded += w.Forwarded
	n.Suppressed += w.Suppressed
	n.Satisfied += w.Satisfied
	n.Returned += w.Returned
	n.Pushed += w.Pushed
	n.Held += w.Held
	n.Expired += w.ExpiredIns
	n.Repeated += w.Repeated
	n.RepeatsSpared += w.RepeatsSpared
	n.Ignored += w.Ignored
	n.TimersRefused += w.TimersRefused
}

// totals are the counters of each configured face; a listener's are those of all its peers, also of those that are gone.
func (h *Host) totals() map[string]forward.Counters {
	out := map[string]forward.Counters{}
	for _, l := range h.openListeners() {
		out[l.name] = h.heard(l)
	}
	for _, s := range h.udp.Sockets() {
		if c := (forward.Counters{}); s.Name() == "" && lost(&c, s) {
			out[remotes] = sum(out[remotes], c)
		}
	}
	h.mu.Lock() // before the faces are read: none is both among them and in the past
	defer h.mu.Unlock()
	h.node.Faces(func(f *forward.Face) {
		if c := f.Config(); !c.OnDemand {
			out[c.Name] = f.Counters()
		}
	})
	for name, before := range h.past {
		out[name] = sum(before, out[name])
	}
	return out
}

// remotes is what the sockets are called that remotes have together, because no listener reaches them.
const remotes = "(remotes)"

// heard is the counters of a listener, with what its socket has lost.
func (h *Host) heard(l *listening) forward.Counters {
	c, _ := h.node.ListenerCounters(l.listener)
	if l.socket != nil {
		lost(&c, l.socket)
	}
	return c
}

// lost adds what a socket dropped before the node had it, and tells whether there was anything.
func lost(c *forward.Counters, s *udp.Socket) bool {
	n := s.Counters()
	c.Drops[drop.ReceiveBuffer] += n.Overflow
	c.Drops[drop.NoFace] += n.Strangers + n.Early
	return n.Overflow+n.Strangers+n.Early > 0
}

// openListeners are the listeners in the order of the configuration.
func (h *Host) openListeners() (list []*listening) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.cfg.Load().Faces {
		if l := h.listeners[f.Name]; l != nil {
			list = append(list, l)
		}
	}
	return list
}

// Faces implements admin.Node.
func (h *Host) Faces() []admin.Face {
	list := []admin.Face{}
	for _, l := range h.openListeners() {
		c := h.heard(l)
		list = append(list, admin.Face{
			Name: l.name, Listener: true, Up: true, Peer: l.peer, Driver: h.driverOf(l.name), Subscriptions: c.Subscriptions,
			InFrames: c.InFrames, OutFrames: c.OutFrames, InBytes: c.InBytes, OutBytes: c.OutBytes, Drops: dropMap(c.Drops),
		})
	}
	now := h.now()
	h.node.Faces(func(f *forward.Face) { list = append(list, h.faceStatus(now, f)) })
	return list
}

func (h *Host) faceStatus(now forward.Now, f *forward.Face) admin.Face {
	c, cfg, peer := f.Counters(), f.Config(), h.node.Peer(f)
	s := admin.Face{
		ID: uint32(f.ID()), Name: cfg.Name, OnDemand: cfg.OnDemand, Up: f.Up(), RTT: peer.RTT,
		InFrames: c.InFrames, OutFrames: c.OutFrames, InBytes: c.InBytes, OutBytes: c.OutBytes,
		Subscriptions: c.Subscriptions, Idle: max(now.Mono-f.Last(), 0), Drops: dropMap(c.Drops),
	}
	if line := h.line(cfg.Name); line != nil && !cfg.OnDemand {
		s.Driver, s.Peer = h.driverOf(cfg.Name), string(line.Transport())+"://"+line.Address()
	}
	if peer.Answered {
		s.Forwarder = fmt.Sprintf("%08x", peer.Node)
	}
	return s
}

func dropMap(counts [drop.Count]uint64) map[string]uint64 {
	m := map[string]uint64{}
	for why, n := range counts {
		if n > 0 {
			m[drop.Reason(why).String()] = n
		}
	}
	return m
}

// SetFace implements admin.Node. It holds over a reload, which makes a face anew where its policy has changed.
func (h *Host) SetFace(name string, up bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, err := h.faceNamed(name)
	if err != nil {
		return err
	}
	h.held[name] = !up
	h.node.Hold(h.now(), f.ID(), !up)
	return nil
}

// Routes implements admin.Node.
func (h *Host) Routes() []admin.Route {
	list := []admin.Route{}
	for _, r := range h.node.Routes(h.now()) {
		out := admin.Route{Prefix: r.Prefix.String(), Cost: r.Cost, Static: r.Static, Used: r.Used, Left: r.Left.Round(time.Second)}
		if f := h.node.Face(r.Face); f != nil {
			out.Face = f.Config().Name
		}
		if !r.Static {
			out.Origin = fmt.Sprintf("%08x", r.Origin)
		}
		list = append(list, out)
	}
	return list
}

// AddRoute implements admin.Node.
func (h *Host) AddRoute(r admin.Route) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	p, f, err := h.routeOf(r)
	if err != nil {
		return err
	}
	h.node.AddRoute(h.now(), 0, p, f.ID(), r.Cost)
	return nil
}

// RemoveRoute implements admin.Node.
func (h *Host) RemoveRoute(r admin.Route) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	p, f, err := h.routeOf(r)
	if err != nil {
		return err
	}
	if !h.node.RemoveRoute(h.now(), 0, p, f.ID()) {
		return fmt.Errorf("there is no static route to %q by face %q", r.Prefix, r.Face)
	}
	return nil
}

// Strategies implements admin.Node.
func (h *Host) Strategies() []admin.Strategy {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.choice.list()
}

// Store implements admin.Node.
func (h *Host) Store() admin.Store {
	cfg := h.cfg.Load()
	s := admin.Store{
		NotKept: map[string]uint64{}, Retention: cfg.Store.Retention, Durability: cfg.Store.Durability.String(), Trouble: h.trouble.String(),
	}
	for i, shard := range h.shards {
		var st store.Stats
		h.node.Worker(i).Locked(func() { st = shard.Stats() })
		s.Names += st.Names
		s.InMemory += st.Entries
		s.LogBytes += int64(st.Bytes)
		s.Conflicts += st.Conflicts
		s.Commits += st.Commits
		s.Failures += st.WriteFailures
		for c, n := range st.NotKept {
			if n > 0 {
				s.NotKept[store.Cause(c).String()] += n
			}
		}
	}
	for _, m := range h.mirrors {
		s.Mirrors = append(s.Mirrors, m.status())
	}
	if h.disk != nil {
		d := h.disk.Stats()
		s.Disk, s.Hours, s.DiskBytes = true, d.Hours, int64(d.DiskBytes)
		s.Dropped, s.Damaged = d.Dropped, d.Damaged
	}
	return s
}
