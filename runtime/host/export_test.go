package host

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/runtime/plugin"
)

// Decode lets a test decode with a plugin of the node.
func (h *Host) Decode(ctx context.Context, name string, payload []byte) (plugin.Decoded, error) {
	return h.plugins.Decode(ctx, name, plugin.Request{Payload: payload})
}

// HoldWorkers runs fn while no worker can process anything.
func (h *Host) HoldWorkers(fn func()) {
	for i := range h.node.Workers() {
		held := fn
		fn = func() { h.node.Worker(i).Locked(held) }
	}
	fn()
}

// StoreOn puts the store on another file system than the machine's.
func StoreOn(fs vfs.FS) Option {
	return func(h *Host) { h.fs = fs }
}

// TestClock is a wall clock that can be set; the monotonic one goes on.
type TestClock struct{ off atomic.Int64 }

// Set sets the clock to so much ahead of the machine's.
func (c *TestClock) Set(ahead time.Duration) { c.off.Store(ahead.Milliseconds()) }

// Option gives a node this clock.
func (c *TestClock) Option() Option {
	return func(h *Host) { h.wall = func(t time.Time) int64 { return t.UnixMilli() + c.off.Load() } }
}
