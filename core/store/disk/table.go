package disk

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// At a high rate what was collected becomes a table at once: it is sorted, written to a file, made safe, and taken in by Pebble. By way of
// the log, the memtable and its flush the same costs six times as much.

// tableName is the table that is being written. Pebble takes it in under a name of its own (guard.Link). What a power cut leaves of one is
// removed when the hour is opened for writing, and what had its name but was not taken in is removed by Pebble.
const tableName = "next.sst"

// writeTable writes items, which are sorted, as a table.
func (c *committer) writeTable(h *hour, g *group, refs []ref, off int64) (err error) {
	defer func() {
		if p := recover(); p != nil { // as where an hour is opened or compacted
			err = errors.Join(h.guard.failed(), fmt.Errorf("pebble: %v", p))
		}
	}()
	path := c.s.cfg.FS.PathJoin(h.dir, tableName)
	f, err := h.guard.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	o := c.s.shared.options(h.guard, false, false)
	o.EnsureDefaults()
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(c.inPieces(f)), o.MakeWriterOptions(0, h.db.TableFormat()))
	c.pointers = c.pointers[:0]
	err = g.each(refs, off, func(key, value []byte) error {
		if len(key) == pointerKeySize { // pointers stand behind all contents
			c.pointers = append(append(c.pointers, key...), value...)
			return nil
		}
		return w.Set(key, value)
	})
	for p := c.pointers; err == nil && len(p) > 0; p = p[pointerKeySize+pointerSize:] {
		err = w.Set(p[:pointerKeySize], p[pointerKeySize:][:pointerSize])
	}
	if err = errors.Join(err, w.Close(), h.guard.failed()); err != nil {
		return err
	}
	if err = h.db.Ingest(context.Background(), []string{path}); err == nil {
		c.s.stats.tables.Add(1)
	}
	return err
}

// pieceSize is what is written to a table at a time. Pebble writes each block by itself, a system call for 32 KiB, and each lets another thread take the
// processor over from who forwards.
const pieceSize = 256 << 10

// pieces is a file that is written in pieces, and has all of them when it is made safe.
type pieces struct {
	vfs.File
	w *bufio.Writer
}

func (c *committer) inPieces(f vfs.File) vfs.File {
	if c.piece == nil {
		c.piece = bufio.NewWriterSize(nil, pieceSize)
	}
	c.piece.Reset(f)
	return &pieces{f, c.piece}
}

func (p *pieces) Write(b []byte) (int, error) { return p.w.Write(b) }

func (p *pieces) Sync() error {
	if err := p.w.Flush(); err != nil {
		return err
	}
	return p.File.Sync()
}
