package disk

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"

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
	turn   *turn
	// written is about how many bytes came to it in this run.
	written uint64

	shift       int64 // what its dates are off by since an earlier run, in ms; see wallClock
	begun       int64 // the clock's steps when it was begun in this run
	allPointers bool  // of format 1: each content has its pointer
	foreign     bool  // its dates are by another clock than this run's

	over   bool // it is not written to any more: to be sealed. This and the next change under Store.mu held for writing
	sealed bool
	stuck  bool // it is to be written to, but could be opened for reading only: the disk is full, say

	sealing sync.Mutex // held while it is compacted and while it is removed; taken before Store.mu
	gone    bool       // it was removed
	idle    []*pebble.Iterator
	idleMu  sync.Mutex
}

// shared is what all hours use together.
type shared struct {
	cfg    *Config
	cache  *pebble.Cache
	files  *pebble.FileCache
	failed chan struct{} // holds one when an hour has failed that was not looked at yet
}

func newShared(cfg *Config) shared {
	return shared{cfg: cfg, cache: newCache(cfg), files: pebble.NewFileCache(1, cfg.OpenFiles), failed: make(chan struct{}, 1)}
}

// sealedMemTable is the memory that Pebble takes for what is written to an hour, where nothing is written any more: else it would be 256 KiB
// for each.
const sealedMemTable = 16 << 10

// newCache makes the block cache. Pebble takes the memtables of all databases out of it, so it has room for those of two that are written to
// beside CacheBytes: the active hour's and the one that is flushed. Otherwise nothing would be left for blocks.
func newCache(cfg *Config) *pebble.Cache {
	return pebble.NewCache(cfg.CacheBytes + 2*int64(cfg.MemTableBytes))
}

func (s *shared) close() {
	s.files.Unref()
	s.cache.Unref()
}

// options of an hour. What is not Pebble's default, and why:
//   - MaxConcurrentCompactions 1 by default: one core is for forwarding
//   - no limit at which Pebble stops writes because of many files or memtables: an hour is short, and a stopped writer
//     would only fill the queue
//   - no compaction before many tables lie over each other (Config.TablesOver), nor while contents come at full rate (turn, committer.pace). What lies in the first level is not compressed: it is written
//     once more, and that soon
//   - the log goes to the disk as it grows, so that its end, at the latest after a memtable, waits for little
//   - blocks of 32 KiB and one index for each table: a replay reads a few contents of a name in each of 24 hours, and those of the
//     names beside it are read next; a flash card reads 32 KiB about as fast as 4
//   - Bloom filters: an exact question may have to look into each hour, and finds nothing in all but one
func (s *shared) options(g *guard, sealed, readOnly bool) *pebble.Options {
	memTable := s.cfg.MemTableBytes
	if sealed {
		memTable = sealedMemTable
	}
	uncompressed := func() *sstable.CompressionProfile { return sstable.NoCompression }
	compressed := func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	o := &pebble.Options{
		FS: g, Cache: s.cache, FileCache: s.files, Logger: g, ReadOnly: readOnly,
		MemTableSize: memTable, MemTableStopWritesThreshold: 8,
		L0CompactionThreshold: 2 * s.cfg.TablesOver, L0StopWritesThreshold: 1 << 20,
		WALBytesPerSync:    512 << 10,
		FormatMajorVersion: pebble.FormatNewest,
		EventListener:      &pebble.EventListener{DataCorruption: func(i pebble.DataCorruptionInfo) { g.fail(i.Details) }},
	}
	o.Levels[0].Compression, o.Levels[1].Compression = uncompressed, compressed
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].BlockSize = 32 << 10
		o.Levels[i].IndexBlockSize = 256 << 10
	}
	return o
}

// open opens h for reading and writing, or for reading only. What is open of it is closed when that has come off, and else stays.
func (s *shared) open(h *hour, readOnly bool) (err error) {
	g := newGuard(s.cfg.FS, h.dir, s.failed)
	defer func() {
		// Pebble panics on some damaged files; a damaged hour must not end the node.
		if p := recover(); p != nil {
			err = errors.Join(g.failed(), fmt.Errorf("open hour %s: %v", h.dir, p))
		}
	}()
	if !readOnly {
		_ = s.cfg.FS.Remove(s.cfg.FS.PathJoin(h.dir, tableName)) // what the power has left of one
	}
	o, t := s.options(g, h.sealed, readOnly), new(turn)
	o.Experimental.CompactionScheduler = t
	db, err := pebble.Open(h.dir, o)
	if err == nil && g.failed() != nil {
		err = db.Close()
	}
	if err = errors.Join(g.failed(), err); err != nil {
		return fmt.Errorf("open hour %s: %w", h.dir, err)
	}
	_ = h.close() // it has failed, or is there to read: what it says now is of no use
	h.db, h.guard, h.turn = db, g, t
	return nil
}

// openFor opens h for what it is there for. One that should be written to and cannot be is opened for reading, and the error given all
// the same.
func (s *shared) openFor(h *hour) error {
	err := s.open(h, h.sealed)
	if err == nil || h.sealed {
		h.stuck = false
		return err
	}
	return errors.Join(err, s.freeze(h))
}

// freeze opens an hour that has failed for reading only, with what is on the disk of it. Where that fails too, what Pebble has in memory of
// it can be read still.
func (s *shared) freeze(h *hour) error {
	err := s.open(h, true)
	h.stuck = h.stuck || err == nil
	return err
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
	for _, it := range h.idle {
		err = errors.Join(err, it.Close())
	}
	db := h.db
	h.db, h.idle = nil, nil
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("close hour %s: %w", h.dir, err)
	}
	return nil
}

// doubtful tells whether something may be read of h that is not safe: Pebble has it in memory, or the system in its own.
func (h *hour) doubtful() bool { return h.stuck || !h.sealed && h.guard.failed() != nil }

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

// idleIterators bounds the iterators that an hour keeps.
const idleIterators = 4

// contents gives an iterator over the contents of k with from ≤ ext, to be given back with release. A sealed hour never changes, so its
// iterators are used again: to make one costs more than to read ten contents.
func (h *hour) contents(k name.Key, from uint64) (*pebble.Iterator, error) {
	return h.span(contentKey(k, from), contentKey(k+1, 0))
}

func (h *hour) span(low, high []byte) (*pebble.Iterator, error) {
	h.idleMu.Lock()
	defer h.idleMu.Unlock()
	if n := len(h.idle); n > 0 {
		it := h.idle[n-1]
		h.idle = h.idle[:n-1]
		it.SetBounds(low, high)
		return it, nil
	}
	return h.db.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
}

// release takes an iterator back and gives its error.
func (h *hour) release(it *pebble.Iterator) error {
	if err := it.Error(); err != nil || !h.sealed {
		return errors.Join(err, it.Close())
	}
	h.idleMu.Lock()
	defer h.idleMu.Unlock()
	if len(h.idle) == idleIterators {
		return it.Close()
	}
	h.idle = append(h.idle, it)
	return nil
}
