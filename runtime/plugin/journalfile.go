package plugin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// journalFile is a journal on disk: a line of JSON for each entry, synced one by one, as they are few and are read after something went
// wrong. At maxJournal bytes it moves aside, in place of what was moved aside before, so it takes at most twice as much.
type journalFile struct {
	path    string
	f       *os.File // nil: it could not be opened again
	size    int64
	max     int64
	trouble error  // of the last entry
	lost    uint64 // entries that are not on disk
}

const maxJournal = 1 << 20

// older is where a full file moves.
func older(path string) string { return path + ".1" }

// openJournal opens the file, or makes it, and gives what is in it. A last line without its end is what a power cut has left: it is cut off.
func openJournal(path string, limit int64) (*journalFile, []Entry, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("journal: %w", err)
	}
	list, err := ReadJournal(path)
	if err != nil {
		return nil, nil, err
	}
	j := &journalFile{path: path, max: limit}
	if err := j.open(); err != nil {
		return nil, nil, err
	}
	return j, list, nil
}

func (j *journalFile) open() error {
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	whole, err := wholeLines(f)
	if err == nil {
		err = f.Truncate(whole)
	}
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("journal %s: %w", j.path, err), f.Close())
	}
	j.f, j.size = f, whole
	return nil
}

// wholeLines is how many bytes of a file are lines with an end.
func wholeLines(f *os.File) (int64, error) {
	b, err := io.ReadAll(f)
	return int64(bytes.LastIndexByte(b, '\n') + 1), err
}

// add appends an entry and syncs it. What goes wrong is kept: the step was done, and the node goes on.
func (j *journalFile) add(e *Entry) {
	if j == nil {
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		err = j.write(append(line, '\n'))
	}
	if j.trouble = err; err != nil {
		j.lost++
	}
}

func (j *journalFile) write(line []byte) error {
	if j.f == nil {
		if err := j.open(); err != nil {
			return err
		}
	}
	if j.size > 0 && j.size+int64(len(line)) > j.max {
		if err := errors.Join(j.close(), os.Rename(j.path, older(j.path)), j.open()); err != nil {
			return err
		}
	}
	if _, err := j.f.Write(line); err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), j.close()) // half a line is cut off when it is opened again
	}
	j.size += int64(len(line))
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (j *journalFile) close() error {
	if j == nil || j.f == nil {
		return nil
	}
	f := j.f
	j.f = nil
	return f.Close()
}

// ReadJournal reads the entries of a journal and of what was moved aside before it, oldest first. No file is no entries. A line that is no
// entry is passed over: what is after it still tells what happened.
func ReadJournal(path string) (list []Entry, err error) {
	for _, file := range []string{older(path), path} {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		part, err := readEntries(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("journal %s: %w", file, err)
		}
		list = append(list, part...)
	}
	return list, nil
}

// readEntries reads lines of JSON. One longer than 64 KiB is none of ours.
func readEntries(r io.Reader) (list []Entry, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			line = nil
		case err == io.EOF: // a line without its end
			return list, nil
		}
		if err != nil && err != io.EOF {
			return list, err
		}
		var e Entry
		if json.Unmarshal(line, &e) == nil && e.What != "" {
			list = append(list, e)
		}
		if err == io.EOF {
			return list, nil
		}
	}
}
