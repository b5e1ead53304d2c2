package disk

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/zmesh/zmesh/core/name"
)

// hour is one Pebble directory. All but db is fixed; db is nil while a failed hour is closed, and changes only under
// Store.mu held for writing.
type hour struct {
	number uint32 // 0: the directory of what is kept beyond its hour
	start  int64  // Unix ms
	dir    string
	db     *pebble.DB
	guard  *guard
	// written is about how many bytes came to it in this run.
	written uint64
}

// shared is what all hours use together.
type shared struct {
	cfg   *Config
	cache *pebble.Cache
	files *pebble.FileCache
}

func newShared(cfg *Config) shared {
	cache := pebble.NewCache(cfg.CacheBytes)
	return shared{cfg: cfg, cache: cache, files: pebble.NewFileCache(1, cfg.OpenFiles)}
}

func (s *shared) close() {
	s.files.Unref()
	s.cache.Unref()
}

// options of an hour. What is not Pebble's default, and why:
//   - MaxConcurrentCompactions 1 by default: one core is for forwarding
//   - no limit at which Pebble stops writes because of many files or memtables: an hour is short, and a stopped writer
//     would only fill the queue
//   - Bloom filters: an exact question may have to look into each hour, and finds nothing in all but one
func (s *shared) options(g *guard, readOnly bool) *pebble.Options {
	o := &pebble.Options{
		FS: g, Cache: s.cache, FileCache: s.files, Logger: g, ReadOnly: readOnly,
		MemTableSize: s.cfg.MemTableBytes, MemTableStopWritesThreshold: 8,
		L0CompactionThreshold: 8, L0StopWritesThreshold: 1000,
		FormatMajorVersion: pebble.FormatNewest,
		EventListener:      &pebble.EventListener{DataCorruption: func(i pebble.DataCorruptionInfo) { g.fail(i.Details) }},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// open opens h for reading and writing, or for reading only.
func (s *shared) open(h *hour, readOnly bool) (err error) {
	g := newGuard(s.cfg.FS, s.cfg.After)
	defer func() {
		// Pebble panics on some damaged files; a damaged hour must not end the node.
		if p := recover(); p != nil {
			err = fmt.Errorf("open hour %s: %v", h.dir, p)
		}
	}()
	db, err := pebble.Open(h.dir, s.options(g, readOnly))
	if err == nil && g.failed() != nil {
		close(g.closing)
		err = errors.Join(g.failed(), db.Close())
	}
	if err != nil {
		return fmt.Errorf("open hour %s: %w", h.dir, err)
	}
	h.db, h.guard = db, g
	return nil
}

// close closes h. What an hour that failed says then is of no use.
func (h *hour) close() (err error) {
	if h.db == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("close hour %s: %v", h.dir, p)
		}
	}()
	close(h.guard.closing)
	db := h.db
	h.db = nil
	if err := db.Close(); err != nil {
		return fmt.Errorf("close hour %s: %w", h.dir, err)
	}
	return nil
}

// get reads one value and hands it to use, which must not keep it. found is false where there is none.
func (h *hour) get(key []byte, use func(v []byte) error) (found bool, err error) {
	if h.db == nil {
		return false, nil
	}
	v, closer, err := h.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read hour %s: %w", h.dir, err)
	}
	defer closer.Close()
	return true, use(v)
}

// contents gives an iterator over the contents of k with from ≤ ext.
func (h *hour) contents(k name.Key, from uint64) (*pebble.Iterator, error) {
	return h.db.NewIter(&pebble.IterOptions{LowerBound: contentKey(k, from), UpperBound: contentKey(k+1, 0)})
}

// pointers calls use for each pointer of h, in the order of names.
func (h *hour) pointers(use func(k name.Key, p pointer) error) error {
	if h.db == nil {
		return nil
	}
	it, err := h.db.NewIter(&pebble.IterOptions{LowerBound: pointerKey(0)})
	if err != nil {
		return fmt.Errorf("read hour %s: %w", h.dir, err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		if err = usePointer(it, use); err != nil {
			break
		}
	}
	if err = errors.Join(err, it.Close()); err != nil {
		return fmt.Errorf("read hour %s: %w", h.dir, err)
	}
	return nil
}

func usePointer(it *pebble.Iterator, use func(k name.Key, p pointer) error) error {
	k, err := parsePointerKey(it.Key())
	if err != nil {
		return err
	}
	p, err := parsePointer(it.Value())
	if err != nil {
		return err
	}
	return use(k, p)
}

// ended tells whether a content that arrives now belongs into another hour: behind the end, or so far in front of the
// beginning that the clock was set.
func (h *hour) ended(wall, length int64) bool {
	return wall >= h.start+length || wall < h.start-length
}

// past tells whether all in h is past its retention.
func (h *hour) past(wall, length int64, retention time.Duration) bool {
	return wall-(h.start+length) > retention.Milliseconds()
}
