package host

import (
	"context"

	"github.com/zmesh/zmesh/runtime/plugin"
)

// Decode lets a test decode with a plugin of the node.
func (h *Host) Decode(ctx context.Context, name string, payload []byte) (plugin.Decoded, error) {
	return h.plugins.Decode(ctx, name, plugin.Request{Payload: payload})
}
