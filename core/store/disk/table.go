package disk

import (
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
	f, err := h.guard.createDirect(path)
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

// sector is what a direct write begins and ends at, in the file and in memory: the largest that disks have (direct_linux.go).
const sector = 4096

// pieces is a file that is written in pieces, and has all of them when it is made safe.
type pieces struct {
	vfs.File
	buf []byte // begins at a sector: Go's allocator begins what is so large at a page of 8 KiB
}

func (c *committer) inPieces(f vfs.File) vfs.File {
	if c.piece == nil {
		c.piece = make([]byte, 0, pieceSize)
	}
	return &pieces{f, c.piece[:0]}
}

func (p *pieces) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		fits := copy(p.buf[len(p.buf):cap(p.buf)], b[n:])
		p.buf, n = p.buf[:len(p.buf)+fits], n+fits
		if len(p.buf) == cap(p.buf) {
			_, err = p.File.Write(p.buf)
			p.buf = p.buf[:0]
		}
	}
	return n, err
}

// Sync writes the rest, whole sectors first, and makes the file safe.
func (p *pieces) Sync() error {
	whole := len(p.buf) &^ (sector - 1)
	for _, b := range [][]byte{p.buf[:whole], p.buf[whole:]} {
		if len(b) == 0 {
			continue
		}
		if _, err := p.File.Write(b); err != nil {
			return err
		}
	}
	p.buf = p.buf[:0]
	return p.File.Sync()
}
