package host

import (
	"cmp"
	"slices"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/runtime/admin"
)

// Sleepers implements admin.Node: by name.
func (h *Host) Sleepers() []admin.Sleeper {
	now, own := h.now(), h.cfg.Load()
	list := []admin.Sleeper{}
	for _, s := range h.node.Sleepers(now) {
		ago := now.Mono - s.Heard
		out := admin.Sleeper{
			Name: s.Name.String(), Face: s.Face.Config().Name, FaceID: uint32(s.Face.ID()), Held: s.Held,
			Seen: time.UnixMilli(now.Wall).Add(-ago).UTC(), Ago: ago,
		}
		out.URI, _ = own.URI(s.Name)
		if s.Pull != (forward.Pull{}) {
			out.Commands, out.Next = s.Pull.Name.String(), s.Pull.Next
		}
		list = append(list, out)
	}
	slices.SortFunc(list, func(a, b admin.Sleeper) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
