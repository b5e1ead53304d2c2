package host

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/faces/udp"
	"github.com/zmesh/zmesh/runtime/config"
)

// openFaces opens the listeners first: remotes send from them.
func (h *Host) openFaces(ctx context.Context) error {
	cfg := h.cfg.Load()
	for i := range cfg.Faces {
		if f := &cfg.Faces[i]; f.Listen != "" {
			if err := h.listen(ctx, cfg, f); err != nil {
				return err
			}
		}
	}
	for i := range cfg.Faces {
		if f := &cfg.Faces[i]; f.Listen == "" {
			if err := h.connect(ctx, cfg, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *Host) listen(ctx context.Context, cfg *config.Config, f *config.Face) error {
	if f.Type == config.Driver {
		return h.openDriver(ctx, cfg, f)
	}
	l := &forward.Listener{Policy: cfg.FaceConfig(f)}
	s, err := h.udp.Listen(ctx, udp.ListenConfig{Name: f.Name, Address: f.Listen, Listener: l})
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listeners[f.Name] = &listening{name: f.Name, address: "udp://" + s.Addr().String(), peer: s.Addr().String(), close: s.Close, listener: l, socket: s}
	return nil
}

func (h *Host) connect(ctx context.Context, cfg *config.Config, f *config.Face) error {
	if f.Type == config.Driver {
		return h.openDriver(ctx, cfg, f)
	}
	face, err := h.udp.Connect(ctx, udp.RemoteConfig{Address: f.Remote, Face: cfg.FaceConfig(f)})
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faces[f.Name] = face
	if h.held[f.Name] {
		h.node.Hold(h.now(), face.ID(), true)
	}
	return nil
}

// closeFace closes a face that is configured no longer.
func (h *Host) closeFace(name string) error {
	h.retire(name)
	h.mu.Lock()
	delete(h.past, name)
	delete(h.held, name)
	l := h.listeners[name]
	delete(h.listeners, name)
	h.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.close()
}

// retire closes the face of a remote, and keeps what it has counted for the one that takes its place.
func (h *Host) retire(name string) {
	h.mu.Lock()
	f := h.faces[name]
	if f == nil {
		h.mu.Unlock()
		return
	}
	delete(h.faces, name)
	h.node.RemoveFace(h.now(), f.ID())
	h.past[name] = sum(h.past[name], f.Counters())
	h.mu.Unlock()
	if err := h.closeLine(name); err != nil {
		h.log.Error().Err(err).Str("face", name).Msg("close")
	}
}

// sum adds the counters of faces that had one name. Subscriptions are those of now.
func sum(a, b forward.Counters) forward.Counters {
	b.InFrames += a.InFrames
	b.InBytes += a.InBytes
	b.OutFrames += a.OutFrames
	b.OutBytes += a.OutBytes
	for i, n := range a.Drops {
		b.Drops[i] += n
	}
	return b
}

// hosts finds the addresses of remotes and remembers them, so that a face which gets a new policy keeps its peer, whatever the name
// server says by then, or does not say.
type hosts struct {
	mu    sync.Mutex
	known map[string][]netip.Addr
}

// remembered marks a context in which no name server is asked about a host that is known.
type remembered struct{}

func (s *hosts) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ctx.Value(remembered{}) != nil {
		s.mu.Lock()
		list := s.known[host]
		s.mu.Unlock()
		if len(list) > 0 {
			return list, nil
		}
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.known == nil {
			s.known = map[string][]netip.Addr{}
		}
		s.known[host] = list
	}
	return list, err
}

// setRoutes makes these the static routes of the node, and takes away all others, also those that were added by hand.
func (h *Host) setRoutes(routes []config.Route) {
	type way struct {
		prefix name.Prefix
		face   forward.FaceID
	}
	stay := map[way]bool{}
	for _, r := range routes {
		if f := h.remote(r.Face); f != nil {
			h.node.AddRoute(h.now(), 0, r.Prefix, f.ID(), r.Cost)
			stay[way{r.Prefix, f.ID()}] = true
		}
	}
	for _, r := range h.node.Routes(h.now()) {
		if r.Static && r.Net == 0 && !stay[way{r.Prefix, r.Face}] {
			h.node.RemoveRoute(h.now(), 0, r.Prefix, r.Face)
		}
	}
}

// staticRoutes are those that there are, as a configuration would have them.
func (h *Host) staticRoutes() (list []config.Route) {
	for _, r := range h.node.Routes(h.now()) {
		if f := h.node.Face(r.Face); r.Static && r.Net == 0 && f != nil {
			list = append(list, config.Route{Prefix: r.Prefix, Face: f.Config().Name, Cost: r.Cost})
		}
	}
	return list
}

func (h *Host) remote(name string) *forward.Face {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.faces[name]
}

// faceNamed finds the face of a remote by the name of the configuration; the error lists those that there are. h.mu is held.
func (h *Host) faceNamed(name string) (*forward.Face, error) {
	if f := h.faces[name]; f != nil {
		return f, nil
	}
	if h.listeners[name] != nil {
		return nil, fmt.Errorf("face %q is a listener: its peers are faces of their own, which come and go", name)
	}
	if len(h.faces) == 0 {
		return nil, fmt.Errorf("no face %q: this node has no configured remotes", name)
	}
	return nil, fmt.Errorf("no face %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(h.faces)), ", "))
}
