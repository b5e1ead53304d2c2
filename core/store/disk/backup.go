package disk

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Backup makes a copy of the store as it stands in the folder to, which must not exist: each hour as Pebble's checkpoint, so that on
// one file system it takes no room but for what changes later. Everything that was confirmed before it began is in it. FORMAT is
// written last: without it the copy is not complete. The store goes on meanwhile.
func (s *Store) Backup(ctx context.Context, to string) (hours int, err error) {
	fs := s.cfg.FS
	if _, err := fs.Stat(to); err == nil {
		return 0, fmt.Errorf("back up to %s: it is there already: name a folder that is not", to)
	}
	if err := s.makeDir(to); err != nil {
		return 0, fmt.Errorf("back up to %s: %w", to, err)
	}
	err = s.eachPinned(ctx, func(h *hour) error {
		if h.db == nil {
			return fmt.Errorf("hour %s is closed at the moment, since the disk failed", h.dir)
		}
		dir := fs.PathJoin(to, fs.PathBase(h.dir))
		if h.number > 0 {
			hours++
		}
		if h.sealed || h.stuck {
			return s.linkFolder(h.dir, dir)
		}
		if err := h.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
			return err
		}
		return errors.Join(h.guard.failed(), s.copySmall(h.dir, dir))
	})
	if err == nil {
		err = s.writeFile(to, formatName, formatLine)
	}
	if err != nil {
		return hours, fmt.Errorf("back up to %s: %w", to, errors.Join(err, fs.RemoveAll(to)))
	}
	return hours, nil
}

// linkFolder links the files of an hour that does not change any more, or copies them to another file system.
func (s *Store) linkFolder(from, to string) error {
	fs := s.cfg.FS
	names, err := fs.List(from)
	if err == nil {
		err = s.makeDir(to)
	}
	for _, name := range names {
		if err == nil && name != lockName {
			err = vfs.LinkOrCopy(fs, fs.PathJoin(from, name), fs.PathJoin(to, name))
		}
	}
	if err != nil {
		return err
	}
	return s.syncDir(to)
}

// copySmall copies the files beside Pebble's.
func (s *Store) copySmall(from, to string) error {
	for _, name := range []string{shiftName, sealedName, begunName} {
		if !s.exists(from, name) {
			continue
		}
		text, err := s.readFile(from, name)
		if err == nil {
			err = s.writeFile(to, name, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restoring is what FORMAT says until a restore is complete.
const restoring = "a restore that was not completed\n"

// Restore copies a backup into cfg.Dir, where no store may be, and gives the number of hours. The backup stays as it is.
func Restore(cfg Config, from string) (hours int, err error) {
	if err := cfg.setDefaults(); err != nil {
		return 0, err
	}
	s, fs := &Store{cfg: cfg}, cfg.FS
	if line, err := s.readFile(from, formatName); err != nil || line != formatLine {
		return 0, fmt.Errorf("restore %s: there is no complete backup of a zmesh store of this version (%s says %q)", from, formatName, line)
	}
	if entries, err := fs.List(cfg.Dir); err == nil && len(entries) > 0 {
		return 0, fmt.Errorf("restore to %s: there is a store already: stop its node and move the folder away", cfg.Dir)
	}
	entries, err := fs.List(from)
	if err == nil {
		err = errors.Join(s.makeDir(cfg.Dir), s.writeFile(cfg.Dir, formatName, restoring)) // no node takes a part for the whole
	}
	if err != nil {
		return 0, fmt.Errorf("restore %s: %w", from, err)
	}
	for _, e := range entries {
		if number, _, ok := parseHourName(e); ok && number > 0 {
			hours++
		} else if e != keptName {
			continue
		}
		if err := s.copyFolder(fs.PathJoin(from, e), fs.PathJoin(cfg.Dir, e)); err != nil {
			return 0, fmt.Errorf("restore %s: %w", from, errors.Join(err, fs.RemoveAll(cfg.Dir)))
		}
	}
	if err := s.writeFile(cfg.Dir, formatName, formatLine); err != nil {
		return 0, fmt.Errorf("restore %s: %w", from, err)
	}
	return hours, nil
}

// copyFolder copies the files of a folder and makes them safe.
func (s *Store) copyFolder(from, to string) error {
	fs := s.cfg.FS
	names, err := fs.List(from)
	if err == nil {
		err = s.makeDir(to)
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.copyFile(fs.PathJoin(from, name), fs.PathJoin(to, name)); err != nil {
			return err
		}
	}
	return s.syncDir(to)
}

func (s *Store) copyFile(from, to string) error {
	in, err := s.cfg.FS.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := s.cfg.FS.Create(to, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
