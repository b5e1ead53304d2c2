package plugin

import (
	"maps"
	"slices"
)

// Status is one line of `zmesh plugin list`.
type Status struct {
	Name       string      `json:"name"`
	Kind       Kind        `json:"kind"`
	Vendor     string      `json:"vendor"`
	Version    string      `json:"version"`
	Digest     string      `json:"digest"` // SHA-256 of the module as it came, hex
	Source     string      `json:"source"` // "builtin:milesight", a path, or "bytes"
	State      State       `json:"state"`
	Grants     []string    `json:"grants"`
	Instances  int         `json:"instances"`
	Calls      uint64      `json:"calls"`       // items handed to it since it was loaded, over swaps
	Traps      uint64      `json:"traps"`       // calls that ended in a trap or in output that is none
	Degraded   uint64      `json:"degraded"`    // strategy: events that best-route decided instead
	Swaps      uint64      `json:"swaps"`       // since it was loaded
	LogDropped uint64      `json:"log_dropped"` // lines beyond the quota, of this version
	LastTrap   *TrapReport `json:"last_trap,omitempty"`
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
		Swaps: p.swaps.Load(), LastTrap: p.lastTrap.Load(),
	}
	l := p.live.Load()
	if l == nil {
		return s
	}
	v := l.version
	s.Kind, s.Vendor, s.Version = Kind(v.module.Manifest.Kind), v.module.Manifest.Vendor, v.module.Manifest.Version
	s.Digest, s.Source, s.LogDropped = v.module.Digest, v.source.String(), v.module.LogDropped()
	l.crew.tell(&s)
	return s
}
