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
	next, err := h.load()
	if err != nil {
		return admin.Reloaded{}, fmt.Errorf("nothing was changed: %w", err)
	}
	changes, err := config.Diff(h.cfg.Load(), next)
	if err != nil {
		return admin.Reloaded{}, fmt.Errorf("nothing was changed: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.apply(next); err != nil {
		return admin.Reloaded{}, fmt.Errorf("nothing was changed: %w", err)
	}
	out := admin.Reloaded{Changes: []string{}}
	for _, c := range changes {
		out.Changes = append(out.Changes, c.What)
		h.log.Info().Str("section", c.Section).Str("key", c.Key).Msg(c.What)
	}
	return out, nil
}

// apply does first what can fail and can be taken back: new faces, then strategies. The rest cannot fail.
func (h *Host) apply(next *config.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), reloadTime)
	defer cancel()
	old := h.cfg.Load()
	added, err := h.openNew(ctx, old, next)
	if err == nil {
		err = h.choice.set(entriesOf(next))
	}
	if err != nil {
		for _, f := range added {
			err = errors.Join(err, h.closeFace(f))
		}
		return err
	}
	for i := range old.Faces {
		f := &old.Faces[i]
		if g := next.Face(f.Name); g == nil {
			err = errors.Join(err, h.closeFace(f.Name))
		} else if changedPolicy(f, g) && sameLink(f, g) {
			err = errors.Join(err, h.repolicy(ctx, next, g))
		}
	}
	if err != nil {
		h.log.Error().Err(err).Msg("reload")
	}
	h.reroute(old, next)
	h.cfg.Store(next)
	return nil
}

// openNew opens the faces that are new, or lead elsewhere than before. One of the same name that is open is closed just
// before: its address may be the same.
func (h *Host) openNew(ctx context.Context, old, next *config.Config) (added []string, err error) {
	for i := range next.Faces {
		f := &next.Faces[i]
		was := old.Face(f.Name)
		if was != nil && sameLink(was, f) {
			continue
		}
		if was != nil {
			return added, fmt.Errorf("face %q leads elsewhere now: give it a new name, so that both can stand until the old one is closed", f.Name)
		}
		if err := h.open(ctx, next, f); err != nil {
			return added, err
		}
		added = append(added, f.Name)
	}
	return added, nil
}

func (h *Host) open(ctx context.Context, cfg *config.Config, f *config.Face) error {
	if f.Listen != "" {
		return h.listen(ctx, cfg, f)
	}
	return h.connect(ctx, cfg, f)
}

func sameLink(a, b *config.Face) bool {
	return a.Type == b.Type && a.Listen == b.Listen && a.Remote == b.Remote
}

// changedPolicy compares all but where a face leads and where it stands in its file.
func changedPolicy(a, b *config.Face) bool {
	x, y := *a, *b
	x.Pos, y.Pos = config.Position{}, config.Position{}
	return fmt.Sprint(x) != fmt.Sprint(y)
}

// repolicy gives an open face its new policy.
func (h *Host) repolicy(ctx context.Context, cfg *config.Config, f *config.Face) error {
	if l := h.listeners[f.Name]; l != nil {
		l.cfg = *f
		h.node.SetPolicy(h.now(), l.listener, cfg.FaceConfig(f))
		return nil
	}
	if err := h.closeFace(f.Name); err != nil {
		return err
	}
	return h.connect(ctx, cfg, f)
}

// reroute sets the routes and Announcements of a configuration; those that stay are not touched in between.
func (h *Host) reroute(old, next *config.Config) {
	h.addRoutes(next)
	type key struct {
		prefix name.Prefix
		face   string
	}
	kept := map[key]bool{}
	for _, r := range next.Routes {
		kept[key{r.Prefix, r.Face}] = true
	}
	for _, r := range old.Routes {
		if f := h.faces[r.Face]; f != nil && !kept[key{r.Prefix, r.Face}] {
			h.node.RemoveRoute(h.now(), 0, r.Prefix, f.face.ID())
		}
	}
	offered := map[name.Prefix]bool{}
	for _, a := range next.Announce {
		offered[a.Prefix] = true
	}
	for _, a := range old.Announce {
		if !offered[a.Prefix] {
			h.node.Withdraw(h.now(), 0, a.Prefix)
		}
	}
}

// routeOf reads what the admin API has of a static route.
func (h *Host) routeOf(r admin.Route) (name.Prefix, *forward.Face, error) {
	p, err := h.cfg.Load().Own().ParsePrefix(r.Prefix)
	if err != nil {
		return p, nil, err
	}
	f, err := h.faceNamed(r.Face)
	return p, f, err
}

// SetStrategy implements admin.Node: it holds until the next reload.
func (h *Host) SetStrategy(s admin.Strategy) error {
	p, err := h.cfg.Load().Own().ParsePrefix(s.Prefix)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	entries := []strategyEntry{{p, s.Plugin}}
	for _, e := range h.choice.entries {
		if e.prefix != p {
			entries = append(entries, e)
		}
	}
	return h.choice.set(entries)
}
