//go:build !unix

package node

// lock does nothing where there is no flock: one process alone may publish from a folder.
func (w *Watermark) lock() (unlock func(), err error) { return func() {}, nil }
