package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
)

// reloadTime bounds what a reload may wait for: looking up the hosts of new remotes.
const reloadTime = 10 * time.Second

// Reload reads the configuration again and applies what changed: all of it, or nothing when something of it cannot be done
// in a running node. It implements admin.Node.
func (h *Host) Reload() (admin.Reloaded, error) {
	h.changing.Lock()
	defer h.changing.Unlock()
	changes, err := h.reload()
	if err != nil {
		return admin.Reloaded{}, fmt.Errorf("nothing was changed: %w", err)
	}
	out := admin.Reloaded{Changes: []string{}}
	for _, c := range changes {
		out.Changes = append(out.Changes, c.What)
		h.log.Info().Str("section", c.Section).Str("key", c.Key).Msg(c.What)
	}
	return out, nil
}

func (h *Host) reload() ([]config.Change, error) {
	next, err := h.load()
	if err != nil {
		return nil, err
	}
	changes, err := config.Diff(h.cfg.Load(), next)
	if err != nil {
		return nil, err
	}
	return changes, h.apply(next)
}

// steps are what was done and how each is undone.
type steps []func() error

func (s *steps) done(undo func() error) { *s = append(*s, undo) }

// undo goes back, the latest first.
func (s steps) undo() (err error) {
	for i := len(s) - 1; i >= 0; i-- {
		err = errors.Join(err, s[i]())
	}
	return err
}

// apply does first what can fail, and takes that back when something does: new faces, strategies, and remotes with
// another policy. The rest cannot fail.
func (h *Host) apply(next *config.Config) error {
	ctx, cancel := context.WithTimeout(h.ctx, reloadTime)
	defer cancel()
	old := h.cfg.Load()
	routes, strategies := h.staticRoutes(), h.choice.entries
	var did steps
	err := h.openNew(ctx, old, next, &did)
	if err == nil {
		did.done(func() error { return h.setStrategies(strategies) })
		err = h.setStrategies(entriesOf(next))
	}
	if err == nil {
		did.done(func() error { h.setRoutes(routes); return nil }) // after the remotes are back
		err = h.reconnect(ctx, old, next, &did)
	}
	if err != nil {
		return errors.Join(err, did.undo())
	}
	h.cfg.Store(next)
	h.closeOld(old, next)
	h.setRoutes(next.Routes)
	h.announce(old.Announce, next.Announce)
	return nil
}

// closeOld closes what is not configured any more, and gives listeners their new policies.
func (h *Host) closeOld(old, next *config.Config) {
	for i := range old.Faces {
		f := &old.Faces[i]
		g := next.Face(f.Name)
		if g == nil {
			if err := h.closeFace(f.Name); err != nil {
				h.log.Error().Err(err).Str("face", f.Name).Msg("close")
			}
			continue
		}
		if l := h.listener(f.Name); l != nil && changedPolicy(f, g) {
			h.node.SetPolicy(h.now(), l, h.faceConfig(next, g))
		}
	}
}

func (h *Host) listener(name string) *forward.Listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.listeners[name]; l != nil {
		return l.listener
	}
	return nil
}

// openNew opens the faces that are new.
func (h *Host) openNew(ctx context.Context, old, next *config.Config, did *steps) error {
	for i := range next.Faces {
		f := &next.Faces[i]
		if was := old.Face(f.Name); was != nil {
			if !sameLink(was, f) {
				return fmt.Errorf("face %q leads elsewhere now: give it a new name, so that both can stand until the old one is closed", f.Name)
			}
			continue
		}
		if was := sameEnd(old, f); was != nil {
			return fmt.Errorf("face %q has the address of face %q, which is open until all that is new is: keep that name, or reload twice, "+
				"first without it", f.Name, was.Name)
		}
		if err := h.open(ctx, next, f); err != nil {
			return err
		}
		did.done(func() error { return h.closeFace(f.Name) })
	}
	return nil
}

// sameEnd finds the face of a configuration that has another's address.
func sameEnd(cfg *config.Config, f *config.Face) *config.Face {
	for i := range cfg.Faces {
		if sameLink(&cfg.Faces[i], f) {
			return &cfg.Faces[i]
		}
	}
	return nil
}

func (h *Host) open(ctx context.Context, cfg *config.Config, f *config.Face) error {
	if f.Listen != "" {
		return h.listen(ctx, cfg, f)
	}
	return h.connect(ctx, cfg, f)
}

// reconnect gives remotes their new policy: a face keeps what it was made with, so each is closed and made again.
func (h *Host) reconnect(ctx context.Context, old, next *config.Config, did *steps) error {
	ctx = context.WithValue(ctx, remembered{}, true)
	for i := range next.Faces {
		f := &next.Faces[i]
		was := old.Face(f.Name)
		if was == nil || f.Listen != "" || !changedPolicy(was, f) {
			continue
		}
		h.retire(f.Name)
		did.done(func() error {
			h.retire(f.Name)
			return h.connect(context.WithoutCancel(ctx), old, was)
		})
		if err := h.connect(ctx, next, f); err != nil {
			return err
		}
	}
	return nil
}

func sameLink(a, b *config.Face) bool {
	return a.Type == b.Type && a.Listen == b.Listen && a.Remote == b.Remote && a.Driver == b.Driver
}

// changedPolicy compares all but where a face leads and where it stands in its file.
func changedPolicy(a, b *config.Face) bool {
	x, y := *a, *b
	x.Pos, y.Pos = config.Position{}, config.Position{}
	return fmt.Sprint(x) != fmt.Sprint(y)
}

// announce offers what is new or has changed, and takes back what is gone. What stays is not touched.
func (h *Host) announce(old, next []config.Announce) {
	offered := map[name.Prefix]config.Announce{}
	for _, a := range old {
		offered[a.Prefix] = a
	}
	for _, a := range next {
		was, had := offered[a.Prefix]
		delete(offered, a.Prefix)
		if !had || was.Cost != a.Cost || was.Lifetime != a.Lifetime {
			h.node.Announce(h.now(), 0, a.Prefix, a.Cost, a.Lifetime)
		}
	}
	for prefix := range offered {
		h.node.Withdraw(h.now(), 0, prefix)
	}
}

// setStrategies replaces the strategies of all prefixes, or leaves them as they are.
func (h *Host) setStrategies(entries []strategyEntry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.choice.set(entries)
}

// routeOf reads what the admin API has of a static route.
func (h *Host) routeOf(r admin.Route) (name.Prefix, *forward.Face, error) {
	p, err := h.cfg.Load().Own().ParsePrefix(r.Prefix)
	if err != nil {
		return p, nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	f, err := h.faceNamed(r.Face)
	return p, f, err
}

// SetStrategy implements admin.Node: it holds until the next reload.
func (h *Host) SetStrategy(s admin.Strategy) error {
	p, err := h.cfg.Load().Own().ParsePrefix(s.Prefix)
	if err != nil {
		return err
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	entries := []strategyEntry{{p, s.Plugin}}
	for _, e := range h.choice.entries { // changed under changing alone
		if e.prefix != p {
			entries = append(entries, e)
		}
	}
	return h.setStrategies(entries)
}
