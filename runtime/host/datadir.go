package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// errLocked says that another process has the lock of a data folder.
var errLocked = errors.New("another node works there: stop it, or give this one a data_dir of its own")

// openDataDir makes the folder if it is missing, makes sure that it can be written, and takes it for this node alone: also when
// nothing of the store is on disk, since the admin socket and the watermarks are there too. On a read-only file system the error is
// syscall.EROFS: nobody can take it there, and a node can do without.
func openDataDir(dir string) (lock *os.File, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir %s: %w", dir, err)
	}
	lock, err = lockFile(filepath.Join(dir, "node.lock"))
	if err != nil {
		return nil, fmt.Errorf("data_dir %s: %w", dir, err)
	}
	if err := probe(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("data_dir %s cannot be written: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// probe makes a file and removes it: the lock may be of a time when the folder could be written.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".probe")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
