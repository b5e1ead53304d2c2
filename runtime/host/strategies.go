package host

import (
	"slices"
	"sync/atomic"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/plugin"
)

// strategies chooses the strategy of a name: that of the longest prefix which has one, otherwise the built-in best-route.
type strategies struct {
	plugins *plugin.Manager
	workers []*chooser
	entries []strategyEntry
}

// strategyEntry is one of [[strategies]].
type strategyEntry struct {
	prefix name.Prefix
	plugin string
}

// chooser is a worker's strategy. What it chooses from is replaced as a whole, between two bursts.
type chooser struct {
	table atomic.Pointer[[]chosen]
}

// chosen is a prefix and its strategy, longest prefixes first.
type chosen struct {
	prefix   name.Prefix
	strategy forward.Strategy
}

// of gives the strategy of a name.
func (c *chooser) of(n name.Name) forward.Strategy {
	for _, e := range *c.table.Load() {
		if e.prefix.Contains(n) {
			return e.strategy
		}
	}
	return forward.BestRoute{}
}

// Needs implements forward.Strategy.
func (c *chooser) Needs(n name.Name) forward.Needs { return c.of(n).Needs(n) }

// Decide implements forward.Strategy.
func (c *chooser) Decide(ev *forward.Event, out []forward.Command) []forward.Command {
	return c.of(ev.Name).Decide(ev, out)
}

// DecideAll implements forward.Gatherer: what belongs to one strategy and stands together is put to it together.
func (c *chooser) DecideAll(events []forward.Event, out [][]forward.Command) {
	for len(events) > 0 {
		s, n := c.of(events[0].Name), 1
		for n < len(events) && c.of(events[n].Name) == s {
			n++
		}
		if g, ok := s.(forward.Gatherer); ok && n > 1 {
			g.DecideAll(events[:n], out[:n])
		} else {
			for k := range events[:n] {
				out[k] = s.Decide(&events[k], out[k])
			}
		}
		events, out = events[n:], out[n:]
	}
}

// Within implements forward.Spread: the strategy of the prefix itself, and those of longer prefixes below it.
func (c *chooser) Within(p name.Prefix, fn func(name.Name)) {
	fn(p.Name)
	for _, e := range *c.table.Load() {
		if e.prefix.Len > p.Len && p.Contains(e.prefix.Name) {
			fn(e.prefix.Name)
		}
	}
}

func newStrategies(cfg *config.Config, plugins *plugin.Manager) (*strategies, error) {
	s := &strategies{plugins: plugins}
	for range cfg.Node.Workers {
		c := &chooser{}
		c.table.Store(&[]chosen{})
		s.workers = append(s.workers, c)
	}
	return s, s.set(entriesOf(cfg))
}

func entriesOf(cfg *config.Config) (list []strategyEntry) {
	for _, e := range cfg.Strategies {
		list = append(list, strategyEntry{e.Prefix, e.Plugin})
	}
	return list
}

func (s *strategies) worker(i int) forward.Strategy { return s.workers[i] }

// set replaces what is chosen from in all workers.
func (s *strategies) set(entries []strategyEntry) error {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b strategyEntry) int { return int(b.prefix.Len) - int(a.prefix.Len) })
	tables := make([][]chosen, len(s.workers))
	for i := range s.workers {
		for _, e := range sorted {
			made, err := s.plugins.Strategy(e.plugin, i)
			if err != nil {
				return err
			}
			tables[i] = append(tables[i], chosen{e.prefix, made})
		}
	}
	for i, w := range s.workers {
		w.table.Store(&tables[i])
	}
	s.entries = sorted
	return nil
}

// list is what holds now.
func (s *strategies) list() (out []admin.Strategy) {
	for _, e := range s.entries {
		out = append(out, admin.Strategy{Prefix: e.prefix.String(), Plugin: e.plugin})
	}
	if len(s.entries) == 0 || s.entries[len(s.entries)-1].prefix.Len > 0 {
		out = append(out, admin.Strategy{Plugin: config.BestRoute})
	}
	return out
}
