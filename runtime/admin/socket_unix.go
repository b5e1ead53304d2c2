//go:build unix

package admin

import (
	"net"
	"os"
	"sync"
	"syscall"
)

// umask is the process's: one socket at a time is made under another one.
var umask sync.Mutex

// listenPrivate makes a unix socket that is never open to others, not even between its making and a chmod.
func listenPrivate(path string) (net.Listener, error) {
	umask.Lock()
	defer umask.Unlock()
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return ln, os.Chmod(path, 0o600)
}
