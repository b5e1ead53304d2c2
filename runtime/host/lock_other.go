//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package host

import "os"

// lockFile only makes the file: what keeps a second node away here is the store's own lock.
func lockFile(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) }
