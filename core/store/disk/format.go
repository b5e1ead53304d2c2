package disk

import (
	"errors"
	"fmt"
)

// The format of the folder. FORMAT is one line with a number; a folder of an older one is brought up to this one in place, each
// step safe to be repeated, and FORMAT is written last. A folder of a later one is refused, and so is one to which a restore was not completed.
//
// 1: hours and kept, BEGUN is empty, and each content has a pointer beside it. 2: BEGUN says "zmesh-store 2"; contents have pointers only
// where they were not the newest, until their hour has ended and is SEALED; an hour whose clock was set has a SHIFT. Hours of 1 are read
// as they are, sealed when they have not been, and never written to.
const (
	formatName    = "FORMAT"
	formatPrefix  = "zmesh-store "
	formatVersion = 2
	formatLine    = formatPrefix + "2\n"
)

// checkFormat reads FORMAT, or writes it where there is none: in a new folder, or where the power went while it was being made.
func (s *Store) checkFormat() error {
	line, err := s.readFile(s.cfg.Dir, formatName)
	if err != nil || line == "" {
		return s.writeFormat()
	}
	if line == restoring {
		return errors.New("a restore to this folder was not completed: remove the folder and restore again")
	}
	var version int
	if _, err := fmt.Sscanf(line, formatPrefix+"%d\n", &version); err != nil || version < 1 {
		return fmt.Errorf("%s says %q: this is not a folder of a zmesh store", formatName, line)
	}
	switch {
	case version > formatVersion:
		return fmt.Errorf("the folder has format %d, and this zmesh knows formats up to %d: use the zmesh that wrote it, or a later one", version, formatVersion)
	case version < formatVersion:
		return s.writeFormat()
	}
	return nil
}

func (s *Store) writeFormat() error {
	return s.writeFile(s.cfg.Dir, formatName, formatLine)
}
