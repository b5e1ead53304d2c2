package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/name"
)

// naive is what the layout in hours is measured against: one Pebble database keyed by name and number, with the same cache, the same
// memtable, written to directly in batches of 256 KiB and made safe as often. What is past its retention is deleted by name,
// and its room comes back when the range is compacted.
type naive struct {
	db    *pebble.DB
	batch *pebble.Batch
	limit int
	fresh time.Time // of the last sync
}

func openNaive(tb testing.TB, dir string, cfg Config) *naive {
	if err := cfg.setDefaults(); err != nil {
		tb.Fatal(err)
	}
	cache := newCache(&cfg)
	defer cache.Unref()
	db, err := pebble.Open(dir, &pebble.Options{
		FS: vfs.Default, Cache: cache, MemTableSize: cfg.MemTableBytes, FormatMajorVersion: pebble.FormatNewest, Logger: newGuard(vfs.Default, dir, nil),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return &naive{db: db, batch: db.NewBatch(), limit: int(cfg.MemTableBytes / 16), fresh: time.Now()}
}

func (n *naive) put(k name.Key, ext uint64, body []byte) error {
	if err := n.batch.Set(contentKey(k, ext), body, nil); err != nil {
		return err
	}
	if n.batch.Len() < n.limit {
		return nil
	}
	if time.Since(n.fresh) < time.Second {
		return n.commit(pebble.NoSync)
	}
	n.fresh = time.Now()
	return n.commit(pebble.Sync)
}

func (n *naive) commit(o *pebble.WriteOptions) error {
	err := errors.Join(n.batch.Commit(o), n.batch.Close())
	n.batch = n.db.NewBatch()
	return err
}

// compacted tells whether nothing is left to flush or to compact.
func (n *naive) compacted() bool {
	m := n.db.Metrics()
	return m.Compact.NumInProgress == 0 && m.Flush.NumInProgress == 0
}

// waitFor asks again each millisecond: neither of the two says by itself that it has come to its end.
func waitFor(done func() bool) {
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !done() {
		<-again.C
	}
}

func (n *naive) newest(k name.Key) (found bool, err error) {
	it, err := n.db.NewIter(&pebble.IterOptions{LowerBound: contentKey(k, 0), UpperBound: contentKey(k+1, 0)})
	if err != nil {
		return false, err
	}
	found = it.Last() && len(it.Value()) > 0
	return found, it.Close()
}

func (n *naive) replay(k name.Key, yield func(ext uint64, body []byte)) error {
	it, err := n.db.NewIter(&pebble.IterOptions{LowerBound: contentKey(k, 0), UpperBound: contentKey(k+1, 0)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		yield(binary.BigEndian.Uint64(it.Key()[8:]), it.Value())
	}
	return it.Close()
}

// dropBelow removes what is below ext of each name and gives its room back.
func (n *naive) dropBelow(names []name.Key, ext uint64) error {
	for _, k := range names {
		if err := n.db.DeleteRange(contentKey(k, 0), contentKey(k, ext), pebble.NoSync); err != nil {
			return err
		}
	}
	return n.db.Compact(context.Background(), contentKey(0, 0), contentKey(1<<62, 0), false)
}

// frames makes bodies that do not compress, as encrypted ones do not.
type frames struct {
	random []byte // bodies are cut from it, at ever other places
	at     int
	body   []byte
}

func newFrames(size int) *frames {
	f := &frames{random: make([]byte, 4<<20+size), body: make([]byte, size)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(f.random)
	return f
}

func (f *frames) next(k name.Key, seq uint32) []byte {
	f.at = (f.at + 7919) % (4 << 20)
	copy(f.body, f.random[f.at:])
	n := k.Name()
	copy(f.body, n[:])
	binary.BigEndian.PutUint32(f.body[6:], 1<<24|seq)
	return f.body
}
