package disk

import (
	"errors"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// direct is a file whose whole sectors go to the disk from where they lie, not by way of the system's cache (O_DIRECT): to copy them there is a third
// of what writing a table costs, and what is asked for soon is in the shards' memory. Where the file system or the disk takes no such write
// (EINVAL), and from the first write on that is not of whole sectors, it is a file like others.
type direct struct {
	vfs.File
	on bool
}

func newDirect(f vfs.File) vfs.File {
	d := &direct{File: f}
	d.on = f.Fd() != vfs.InvalidFd && d.set(true) == nil
	return d
}

func (d *direct) Write(b []byte) (n int, err error) {
	if d.on {
		if len(b)%sector == 0 {
			if n, err = d.File.Write(b); !errors.Is(err, syscall.EINVAL) {
				return n, err
			}
		}
		if err := d.set(false); err != nil {
			return n, err
		}
		d.on = false
	}
	rest, err := d.File.Write(b[n:])
	return n + rest, err
}

// set turns O_DIRECT on or off.
func (d *direct) set(on bool) error {
	flags, _, e := syscall.Syscall(syscall.SYS_FCNTL, d.Fd(), syscall.F_GETFL, 0)
	if e != 0 {
		return e
	}
	flags &^= syscall.O_DIRECT
	if on {
		flags |= syscall.O_DIRECT
	}
	if _, _, e = syscall.Syscall(syscall.SYS_FCNTL, d.Fd(), syscall.F_SETFL, flags); e != 0 {
		return e
	}
	return nil
}
