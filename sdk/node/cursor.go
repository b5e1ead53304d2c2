package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Cursor remembers on disk how far a subscriber has come in a name, so that it goes on there after a restart or kill -9.
//
// A subscriber that handles an update and commits afterwards has each at least once: killed in between, it gets that one again, and those
// that it had not committed yet. Exactly once takes a consumer whose work and position become durable together: keep
// [Subscription.Position] in the same transaction as the work, and go on with [Node.Resume].
//
// Its file is called after the name (12 hex digits) and holds the position in decimal: the number that is wanted next. One subscriber at a time may
// use it.
type Cursor struct {
	path   string
	unlock func()
	at     uint32 // 0: none yet
}

// ErrCursorInUse says that another subscriber has the cursor.
var ErrCursorInUse = errors.New("another subscriber uses this cursor")

// cursorName bounds what a cursor may be called: it is a folder.
const cursorName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// CheckCursor refuses what is no name of a cursor: letters, digits, - _ and ., which does not come first, up to 64 of them.
func CheckCursor(cursor string) error {
	if cursor == "" || len(cursor) > 64 || cursor[0] == '.' || strings.Trim(cursor, cursorName) != "" {
		return fmt.Errorf("cursor %.80q: want up to 64 letters, digits, - _ or ., the last not at the beginning", cursor)
	}
	return nil
}

// OpenCursor opens a named cursor of a name in a folder, which is made if it is missing.
func OpenCursor(dir, cursor string, n name.Name) (*Cursor, error) {
	if err := CheckCursor(cursor); err != nil {
		return nil, err
	}
	c := &Cursor{path: filepath.Join(dir, cursor, n.String())}
	err := os.MkdirAll(filepath.Dir(c.path), 0o700)
	if err == nil {
		err = syncDir(dir) // Commit makes what is in the new folder safe, not the folder
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	if c.unlock, err = c.lock(); err != nil {
		return nil, err
	}
	if err := c.read(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// String is what an error calls it.
func (c *Cursor) String() string { return "cursor " + c.path }

// read takes the position from the file. A damaged one is an error: to begin anew unasked would leave contents out, or give them twice.
func (c *Cursor) read() error {
	raw, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	text, whole := strings.CutSuffix(string(raw), "\n")
	v, err := strconv.ParseUint(text, 10, 32)
	if !whole || err != nil || v < uint64(wire.SeqFirst) || v > uint64(wire.SeqLast) {
		return fmt.Errorf("%s holds %.40q, want a number from 1 to %d: remove it to begin anew", c, raw, wire.SeqLast)
	}
	c.at = uint32(v)
	return nil
}

// Position is what was committed last; false: nothing yet.
func (c *Cursor) Position() (position uint32, ok bool) { return c.at, c.at != 0 }

// Commit makes a position durable: it survives a power cut when Commit has returned.
func (c *Cursor) Commit(position uint32) error {
	if err := checkSeq(position); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	if position == c.at {
		return nil
	}
	if err := replaceSynced(c.path, strconv.Itoa(int(position))+"\n"); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	c.at = position
	return nil
}

// Close lets another subscriber have it.
func (c *Cursor) Close() { c.unlock() }
