package engine

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Series is a counter or a gauge of a plugin.
type Series struct {
	Name  string
	Gauge bool
	Value float64 // of a counter: a whole number
}

// metrics are what a plugin with the capability "metrics" counts.
type metrics struct {
	mu     sync.Mutex
	counts map[string]uint64
	gauges map[string]float64
}

// Count adds to a counter. A name that cannot be, a negative number and a series too many are dropped and counted.
func (a *Account) Count(name []byte, n int64) {
	m := &a.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	if have, ok := m.counts[string(name)]; ok && n >= 0 {
		m.counts[string(name)] = have + uint64(n)
		return
	}
	if n < 0 || !a.room(name) {
		a.Hit(LimitSeries)
		return
	}
	if m.counts == nil {
		m.counts = map[string]uint64{}
	}
	m.counts[string(name)] = uint64(n)
}

// Gauge sets a gauge, under the same conditions; the value must be finite.
func (a *Account) Gauge(name []byte, value float64) {
	m := &a.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	if math.IsNaN(value) || math.IsInf(value, 0) {
		a.Hit(LimitSeries)
		return
	}
	if _, ok := m.gauges[string(name)]; !ok && !a.room(name) {
		a.Hit(LimitSeries)
		return
	}
	if m.gauges == nil {
		m.gauges = map[string]float64{}
	}
	m.gauges[string(name)] = value
}

// room tells whether a new series of that name may be. metrics.mu is held.
func (a *Account) room(name []byte) bool {
	return len(a.metrics.counts)+len(a.metrics.gauges) < a.limits.Series && metricName(name)
}

// metricName takes a lower case letter, and then letters, digits and _.
func metricName(b []byte) bool {
	for k, c := range b {
		if !(c >= 'a' && c <= 'z' || k > 0 && (c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return len(b) > 0 && len(b) <= abi.MaxMetricName
}

// Series gives all counters and gauges, by name.
func (a *Account) Series() []Series {
	m := &a.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Series, 0, len(m.counts)+len(m.gauges))
	for name, n := range m.counts {
		list = append(list, Series{Name: name, Value: float64(n)})
	}
	for name, v := range m.gauges {
		list = append(list, Series{Name: name, Gauge: true, Value: v})
	}
	slices.SortFunc(list, func(x, y Series) int { return cmp.Or(cmp.Compare(x.Name, y.Name), compareBool(x.Gauge, y.Gauge)) })
	return list
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}
