package guest

// Metrics count and measure among the host's metrics: capability "metrics". It is a type, not functions, so that a module which has
// none imports nothing that it would need the capability for. Names have lower case letters, digits and _, at most 63 bytes. The host
// bounds how many there are; what is beyond is dropped and counted.
type Metrics struct{}

// Count adds n, which is not negative, to a counter: zmesh_plugin_count_total{plugin, name}.
func (Metrics) Count(name string, n int64) { hostCount(name, n) }

// Gauge sets a gauge: zmesh_plugin_gauge{plugin, name}.
func (Metrics) Gauge(name string, value float64) { hostGauge(name, value) }

// State keeps values under keys with the host: capability "state". They outlive the instance, are the same for all instances of the
// plugin, stay over a swap to a version with the same state schema, and are gone when the node stops. Keys have 1 to 255 bytes,
// values at most 4,096.
type State struct{}

// Get copies a value into to and gives its size, which may be more than to has room for; -1: there is none.
func (State) Get(key string, to []byte) int { return hostGet(key, to) }

// Set keeps a copy of a value; an empty one removes the key. It tells whether there was room.
func (State) Set(key string, value []byte) bool { return hostSet(key, value) }
