package disk

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The small files beside Pebble's.

// writeFile writes a file as a whole and makes it safe: under another name first, so that a power cut leaves the old one or the new one.
func (s *Store) writeFile(dir, name, text string) error {
	fs := s.cfg.FS
	path := fs.PathJoin(dir, name)
	f, err := fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = errors.Join(fs.Rename(path+".new", path), s.syncDir(dir))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// readFile reads a file of at most 100 bytes.
func (s *Store) readFile(dir, name string) (string, error) {
	f, err := s.cfg.FS.Open(s.cfg.FS.PathJoin(dir, name))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, 100))
	return string(text), errors.Join(err, f.Close())
}

func (s *Store) exists(dir, name string) bool {
	_, err := s.cfg.FS.Stat(s.cfg.FS.PathJoin(dir, name))
	return err == nil
}
