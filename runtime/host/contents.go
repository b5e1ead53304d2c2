package host

import (
	"context"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
)

// What the operator asks of the store's contents, and does with them.

// StoreSince implements admin.ContentStore. What is past its retention is not there, whether or not its memory was given back.
func (h *Host) StoreSince(ctx context.Context, n name.Name, at time.Time) (admin.Stored, error) {
	k, now := name.MakeKey(0, n), h.now()
	sc := h.cfg.Load().StoreConfig()
	rule := sc.RuleFor(k)
	wall := max(at.UnixMilli(), now.Wall-rule.Retention.Milliseconds())
	best, err := h.sinceOnDisk(ctx, k, wall)
	if err != nil {
		return admin.Stored{}, err
	}
	if ext := h.sinceInMemory(now, k, wall); ext != 0 && (best == 0 || ext < best) {
		best = ext
	}
	if best == 0 && rule.KeepNewest {
		best = h.keptSince(now, k, at.UnixMilli())
	}
	return admin.Stored{Name: n.String(), Seq: uint32(best) & wire.SeqSubscribe}, nil
}

func (h *Host) sinceOnDisk(ctx context.Context, k name.Key, wall int64) (ext uint64, err error) {
	if h.disk == nil {
		return 0, nil
	}
	ext, _, err = h.disk.Since(ctx, k, wall)
	return ext, err
}

// sinceInMemory finds what the disk does not have, or not yet.
func (h *Host) sinceInMemory(now forward.Now, k name.Key, wall int64) (best uint64) {
	i := forward.Owner(h.seed, len(h.shards), k)
	for from, more := uint64(0), true; more; more = from != 0 {
		h.node.Worker(i).Locked(func() {
			var ext uint64
			h.shards[i].Advance(now.Mono, now.Wall)
			if ext, from = h.shards[i].Since(k, wall, from); ext != 0 && (best == 0 || ext < best) {
				best = ext
			}
		})
	}
	return best
}

// keptSince gives the newest of a name that keeps it beyond its retention, if it arrived at or after wall.
func (h *Host) keptSince(now forward.Now, k name.Key, wall int64) (ext uint64) {
	i := forward.Owner(h.seed, len(h.shards), k)
	h.node.Worker(i).Locked(func() {
		n, st := h.shards[i].Newest(k)
		if st != store.Miss && now.Wall-(now.Mono-n.Arrived).Milliseconds() >= wall {
			ext = n.Ext
		}
	})
	return ext
}
