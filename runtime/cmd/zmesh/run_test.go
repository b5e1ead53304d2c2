package main

import (
	"runtime"
	"testing"
)

func TestOneCoreHasTwoProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	for _, c := range []struct {
		set        string
		have, want int
	}{{"1", 1, 1}, {"", 1, 2}, {"", 3, 3}} {
		t.Setenv("GOMAXPROCS", c.set)
		runtime.GOMAXPROCS(c.have)
		if atLeastTwo(); runtime.GOMAXPROCS(0) != c.want {
			t.Errorf("GOMAXPROCS=%q, %d at first: %d, want %d", c.set, c.have, runtime.GOMAXPROCS(0), c.want)
		}
	}
}
