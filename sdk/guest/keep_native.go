//go:build !wasm

package guest

import (
	"bytes"
	"sync"
)

// kept stands in for the host in native tests: one for the process, as a plugin has one host.
var kept struct {
	sync.Mutex
	counts map[string]int64
	gauges map[string]float64
	values map[string][]byte
}

func hostCount(name string, n int64) {
	kept.Lock()
	defer kept.Unlock()
	if kept.counts == nil {
		kept.counts = map[string]int64{}
	}
	kept.counts[name] += n
}

func hostGauge(name string, value float64) {
	kept.Lock()
	defer kept.Unlock()
	if kept.gauges == nil {
		kept.gauges = map[string]float64{}
	}
	kept.gauges[name] = value
}

func hostGet(key string, to []byte) int {
	kept.Lock()
	defer kept.Unlock()
	v, ok := kept.values[key]
	if !ok {
		return -1
	}
	copy(to, v)
	return len(v)
}

func hostSet(key string, value []byte) bool {
	kept.Lock()
	defer kept.Unlock()
	if kept.values == nil {
		kept.values = map[string][]byte{}
	}
	delete(kept.values, key)
	if len(value) > 0 {
		kept.values[key] = bytes.Clone(value)
	}
	return true
}
