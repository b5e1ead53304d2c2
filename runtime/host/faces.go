package host

import (
	"context"
	"fmt"

	"github.com/zmesh/zmesh/core/forward"
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
		if f := &cfg.Faces[i]; f.Remote != "" {
			if err := h.connect(ctx, cfg, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *Host) listen(ctx context.Context, cfg *config.Config, f *config.Face) error {
	l := &forward.Listener{Policy: cfg.FaceConfig(f)}
	s, err := h.udp.Listen(ctx, udp.ListenConfig{Name: f.Name, Address: f.Listen, Listener: l})
	if err != nil {
		return err
	}
	h.listeners[f.Name] = &listening{name: f.Name, cfg: *f, socket: s, listener: l}
	return nil
}

func (h *Host) connect(ctx context.Context, cfg *config.Config, f *config.Face) error {
	face, err := h.udp.Connect(ctx, udp.RemoteConfig{Address: f.Remote, Face: cfg.FaceConfig(f)})
	if err != nil {
		return err
	}
	h.faces[f.Name] = &openFace{cfg: *f, face: face}
	return nil
}

func (h *Host) closeFace(name string) error {
	if f := h.faces[name]; f != nil {
		h.node.RemoveFace(h.now(), f.face.ID())
		delete(h.faces, name)
	}
	if l := h.listeners[name]; l != nil {
		delete(h.listeners, name)
		return l.socket.Close()
	}
	return nil
}

// addRoutes sets the static routes and offers what the configuration announces.
func (h *Host) addRoutes(cfg *config.Config) {
	for _, r := range cfg.Routes {
		if f := h.faces[r.Face]; f != nil {
			h.node.AddRoute(h.now(), 0, r.Prefix, f.face.ID(), r.Cost)
		}
	}
	for _, a := range cfg.Announce {
		h.node.Announce(h.now(), 0, a.Prefix, a.Cost, a.Lifetime)
	}
}

// faceNamed finds a face by the name of the configuration; the error lists those that there are.
func (h *Host) faceNamed(name string) (*forward.Face, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.faces[name]; f != nil {
		return f.face, nil
	}
	if h.listeners[name] != nil {
		return nil, fmt.Errorf("face %q is a listener: its peers are faces of their own, which come and go", name)
	}
	known := ""
	for _, f := range h.cfg.Load().Faces {
		if f.Remote != "" {
			known += " " + f.Name
		}
	}
	if known == "" {
		return nil, fmt.Errorf("no face %q: this node has no configured remotes", name)
	}
	return nil, fmt.Errorf("no face %q: there are%s", name, known)
}
