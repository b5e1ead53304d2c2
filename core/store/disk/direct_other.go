//go:build !linux

package disk

import "github.com/cockroachdb/pebble/v2/vfs"

// newDirect is of Linux only.
func newDirect(f vfs.File) vfs.File { return f }
