package plugin

import (
	"maps"
	"slices"

	"github.com/zmesh/zmesh/runtime/engine"
)

// Status is one line of `zmesh plugin list`.
type Status struct {
	Name      string      `json:"name"`
	Kind      Kind        `json:"kind"`
	Vendor    string      `json:"vendor"`
	Version   string      `json:"version"`
	Digest    string      `json:"digest"` // SHA-256 of the module as it came, hex
	Source    string      `json:"source"` // "builtin:milesight", a path, or "bytes"
	State     State       `json:"state"`
	Grants    []string    `json:"grants"`
	Instances int         `json:"instances"`
	Calls     uint64      `json:"calls"`    // items handed to it since it was loaded, over swaps
	Reused    uint64      `json:"reused"`   // strategy: Interests that it had answered with an earlier one, without a call
	Traps     uint64      `json:"traps"`    // calls that ended in a trap or in output that is none
	Degraded  uint64      `json:"degraded"` // strategy: events that best-route decided instead
	Swaps     uint64      `json:"swaps"`    // since it was loaded
	Returned  uint64      `json:"returned"` // how often the version before came back by itself
	Recycled  uint64      `json:"recycled"` // instances replaced because they had grown, or were old
	Skipped   uint64      `json:"skipped"`  // inputs not handed to it because they have killed an instance
	Previous  string      `json:"previous"` // digest of what rollback goes back to; empty: nothing
	Fuel      Percentiles `json:"fuel"`     // units that a call takes, of one in 64; of a decoder, of all
	Time      Percentiles `json:"time_ns"`  // how long a call takes
	LastTrap  *TrapReport `json:"last_trap,omitempty"`

	Limits     map[string]uint64 `json:"limits"`      // how often each limit was met, by its setting; those that never were are left out
	StateKeys  int               `json:"state_keys"`  // of the capability "state"
	StateBytes int               `json:"state_bytes"` // that they take

	fuel, took []*histogram
}

// Series gives the metrics of all plugins, by plugin.
func (m *Manager) Series() map[string][]engine.Series {
	out := map[string][]engine.Series{}
	for _, p := range m.all() {
		if list := p.account.Series(); len(list) > 0 {
			out[p.name] = list
		}
	}
	return out
}

// List gives the plugins by name. It waits for none: one that is being loaded or swapped is shown as it was.
func (m *Manager) List() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Status, 0, len(m.plugins))
	for _, name := range slices.Sorted(maps.Keys(m.plugins)) {
		list = append(list, m.plugins[name].status())
	}
	return list
}

func (p *loaded) status() Status {
	s := Status{
		Name: p.name, State: p.state.Load().(State), Grants: p.spec.Grants, Calls: p.calls.Load(), Traps: p.traps.Load(),
		Swaps: p.swaps.Load(), LastTrap: p.lastTrap.Load(), Returned: p.returned.Load(), Recycled: p.recycled.Load(),
		Skipped: p.skipped.Load(), fuel: []*histogram{&p.fuel}, took: []*histogram{&p.took},
	}
	l := p.live.Load()
	if l == nil {
		return s
	}
	v := l.version
	s.Kind, s.Vendor, s.Version = Kind(v.module.Manifest.Kind), v.module.Manifest.Vendor, v.module.Manifest.Version
	s.Digest, s.Source, s.Limits = v.module.Digest, v.source.String(), p.account.Hits()
	s.StateKeys, s.StateBytes = p.account.StateSize()
	l.crew.tell(&s)
	s.Fuel, s.Time = percentiles(s.fuel), percentiles(s.took)
	if f := p.previous.Load(); f != nil {
		s.Previous = f.digest
	}
	return s
}
