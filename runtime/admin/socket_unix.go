//go:build unix

package admin

import (
	"context"
	"net"
	"os"
	"syscall"
)

// listenPrivate makes a unix socket that is never open to others, not even between its making and a chmod: on Linux the socket has
// the mode before it has a path (unix(7)). Elsewhere that does nothing and the chmod alone counts. The process's umask would do it
// everywhere, but for every file that is made at the same moment too: a folder of the store would be one that nobody may enter.
func listenPrivate(path string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
	}}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	return ln, os.Chmod(path, 0o600)
}
