package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/store/disk"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
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

// StoreNames implements admin.ContentStore.
func (h *Host) StoreNames(ctx context.Context, prefix, after string, limit int) (out admin.StoreNames, err error) {
	low, high, err := h.span(prefix)
	if err == nil && after != "" {
		var n name.Name
		if n, err = name.ParseHex(after); err == nil {
			low = max(low, name.MakeKey(0, n)+1)
		}
	}
	if err != nil {
		return out, err
	}
	list, err := h.stored(ctx, low, high, limit)
	if err != nil {
		return out, err
	}
	out.Names = []admin.StoreName{}
	cfg := h.cfg.Load()
	for _, held := range list {
		n := held.Key.Name()
		uri, _ := cfg.URI(n)
		out.Names = append(out.Names, admin.StoreName{
			Name: n.String(), URI: uri, Newest: uint32(held.Highest) & wire.SeqSubscribe, Contents: held.Contents, Bytes: held.Bytes,
			First: time.UnixMilli(held.First), Last: time.UnixMilli(held.Last),
		})
	}
	if len(list) == limit {
		out.Next = list[len(list)-1].Key.Name().String()
	}
	return out, nil
}

// span gives the first and the last name under a prefix.
func (h *Host) span(prefix string) (low, high name.Key, err error) {
	p, err := h.cfg.Load().Own().ParsePrefix(prefix)
	if err != nil {
		return 0, 0, fmt.Errorf("prefix: %w", err)
	}
	low = name.MakeKey(0, p.Name)
	return low, low | name.Key(1)<<(8*(name.Size-p.Len)) - 1, nil
}

// stored lists what is stored of at most limit names, from disk and of class memory.
func (h *Host) stored(ctx context.Context, low, high name.Key, limit int) (list []disk.Held, err error) {
	now, sc := h.now(), h.cfg.Load().StoreConfig()
	if h.disk != nil {
		list, err = h.disk.Names(ctx, low, high, limit, func(k name.Key) int64 {
			rule := sc.RuleFor(k)
			if rule.KeepNewest {
				return 0
			}
			return now.Wall - rule.Retention.Milliseconds()
		})
		if err != nil {
			return nil, err
		}
	}
	list = append(list, h.heldInMemory(now, low, high, limit)...)
	slices.SortFunc(list, func(a, b disk.Held) int { return cmp.Compare(a.Key, b.Key) })
	return list[:min(len(list), limit)], nil
}

// heldInMemory gives the first names of class memory. However many there are, it keeps twice the limit of them.
func (h *Host) heldInMemory(now forward.Now, low, high name.Key, limit int) (list []disk.Held) {
	found := map[name.Key]*disk.Held{}
	add := func(k name.Key, ext uint64, arrived int64, bytes int) {
		if k < low || k > high {
			return
		}
		if found[k] == nil {
			found[k] = &disk.Held{Key: k}
		}
		found[k].Add(ext, arrived, bytes)
		if len(found) > 2*limit {
			high = cut(found, limit)
		}
	}
	for i, shard := range h.shards {
		for from, more := uint64(0), true; more; more = from != 0 {
			h.node.Worker(i).Locked(func() {
				shard.Advance(now.Mono, now.Wall)
				from = shard.Records(from, add)
			})
		}
	}
	for _, held := range found {
		list = append(list, *held)
	}
	return list
}

// cut leaves the lowest names and gives the last of them.
func cut(found map[name.Key]*disk.Held, limit int) (last name.Key) {
	keys := make([]name.Key, 0, len(found))
	for k := range found {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys[limit:] {
		delete(found, k)
	}
	return keys[limit-1]
}

// StoreVerify implements admin.ContentStore.
func (h *Host) StoreVerify(ctx context.Context, hour uint32) (out admin.StoreVerified, err error) {
	if h.disk == nil {
		return out, errMemoryOnly
	}
	check, err := macCheck(h.cfg.Load())
	if err != nil {
		return out, err
	}
	v, next, err := h.disk.Verify(ctx, hour, check)
	out = verified(v)
	out.Next = next
	return out, err
}

// verified is what was found in an hour, for people.
func verified(v disk.Verified) admin.StoreVerified {
	out := admin.StoreVerified{Folder: v.Dir, Contents: v.Contents, Bytes: v.Bytes}
	if v.Err != nil {
		out.Error = v.Err.Error()
	}
	return out
}

// macCheck gives a test of stored bodies: whether each was signed with a key of its network.
func macCheck(cfg *config.Config) (func(k name.Key, body []byte) error, error) {
	ring, err := cfg.Keyring()
	if err != nil {
		return nil, err
	}
	v := ring.Verifier()
	return func(k name.Key, body []byte) error {
		var f wire.Frame
		h := wire.Header{NetID: ring.NetID(k.Net()), TTL: wire.MaxTTL}
		raw := append(h.AppendFHDR(nil), body...)
		if why := f.Parse(raw); why != drop.None {
			return fmt.Errorf("name %s: no frame: %s", k.Name(), why)
		}
		if _, why := v.Verify(&f); why != drop.None {
			return fmt.Errorf("name %s number %d: %s: it was signed with a key that this node does not have, or it is damaged", k.Name(), f.Seq, why)
		}
		return nil
	}, nil
}

var errMemoryOnly = errors.New("this node keeps nothing on disk: its durability is memory")

// StoreBackup implements admin.ContentStore.
func (h *Host) StoreBackup(ctx context.Context, b admin.StoreBackup) (admin.StoreBackup, error) {
	if h.disk == nil {
		return b, errMemoryOnly
	}
	if !filepath.IsAbs(b.Folder) {
		return b, fmt.Errorf("folder %q: want an absolute path", b.Folder)
	}
	var err error
	b.Hours, err = h.disk.Backup(ctx, b.Folder)
	return b, err
}

// StoreClear implements admin.ContentStore. Memory and disk are cleared at one moment: no worker takes a content in between, so none is lost
// that comes after.
func (h *Host) StoreClear(ctx context.Context, c admin.StoreClear) (admin.StoreClear, error) {
	low, high, err := h.span(c.Prefix)
	if err != nil {
		return c, err
	}
	wait := func(context.Context) error { return nil }
	h.locked(0, func() {
		for _, shard := range h.shards {
			c.Names += shard.Clear(low, high)
		}
		if h.disk != nil {
			wait = h.disk.Clear(low, high)
		}
	})
	h.log.Warn().Str("prefix", c.Prefix).Int("names", c.Names).Msg("store cleared by the operator")
	return c, wait(ctx)
}

// locked calls fn with the mutexes of all workers from i on.
func (h *Host) locked(i int, fn func()) {
	if i == len(h.shards) {
		fn()
		return
	}
	h.node.Worker(i).Locked(func() { h.locked(i+1, fn) })
}
