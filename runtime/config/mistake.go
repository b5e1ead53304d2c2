package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong with a configuration: where it stands, what is wrong, and what would be right.
type Mistake struct {
	File string
	Line int    // from 1; 0: the file as a whole
	What string // one sentence, without a full stop, and never with a key in it
}

// Error is file:line: what.
func (m Mistake) Error() string {
	return fmt.Sprintf("%s: %s", Position{File: m.File, Line: m.Line}, m.What)
}

// Mistakes is everything that is wrong with a configuration, in the order of files and lines. It is the error of [Load].
type Mistakes []Mistake

// Error is one mistake a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Sorted puts the main file first, then by file and line, and takes out what is there twice.
func (m Mistakes) Sorted(first string) Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		if (a.File == first) != (b.File == first) {
			if a.File == first {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return slices.Compact(m)
}
