//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package node

// lock does nothing where there is no flock: one Watermark alone may use a folder.
func (w *Watermark) lock() (unlock func(), err error) { return func() {}, nil }

// lock does nothing where there is no flock: one subscriber alone may use a cursor.
func (c *Cursor) lock() (unlock func(), err error) { return func() {}, nil }

// syncDir does nothing: where folders cannot be synced, a rename is the file system's promise.
func syncDir(string) error { return nil }
