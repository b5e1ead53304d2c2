package host

import (
	"context"

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
