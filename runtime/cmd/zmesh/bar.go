package main

import (
	"fmt"
	"io"
	"strings"
)

// bar is a line on a terminal that shows how far something is; elsewhere it shows nothing.
type bar struct {
	out    io.Writer // nil: no terminal
	at, of int       // this part of so many
	shown  bool
}

func newBar(out io.Writer) *bar {
	if !isTerminal(out) {
		return &bar{of: 1}
	}
	return &bar{out: out, of: 1}
}

func (b *bar) show(text string, part float64) {
	if b.out == nil {
		return
	}
	const width = 30
	done := int(width * (float64(b.at) + part) / float64(b.of))
	b.shown = true
	fmt.Fprintf(b.out, "\r[%s%s] %-40.40s", strings.Repeat("#", done), strings.Repeat(".", width-done), text)
}

// clear takes the line away.
func (b *bar) clear() {
	if b.shown {
		fmt.Fprint(b.out, "\r\x1b[K")
		b.shown = false
	}
}
