package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// patient writes lines beside whoever logs them: a terminal that was stopped, or a pipe that nobody empties, must not stop a
// forwarder, which logs under its locks. What does not fit its queue is left out, and how much that was is said as soon as something fits.
type patient struct {
	out   io.Writer
	lines chan []byte
	done  chan struct{}

	mu     sync.Mutex
	lost   int
	closed bool
}

// patientLines is how many lines wait: some hundred kilobytes.
const patientLines = 1024

// patience is how long the end of a process waits for its log.
const patience = 500 * time.Millisecond

func newPatient(out io.Writer) *patient {
	p := &patient{out: out, lines: make(chan []byte, patientLines), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for line := range p.lines {
			_, _ = p.out.Write(line) // there is nowhere to tell it
		}
	}()
	return p
}

// Write takes one line. It never blocks.
func (p *patient) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return len(line), nil
	}
	if p.lost > 0 && !p.offer(fmt.Appendf(nil, "{\"level\":\"warn\",\"message\":\"%d log lines are left out: they were not read in time\"}\n", p.lost)) {
		p.lost++
		return len(line), nil
	}
	p.lost = 0
	if !p.offer(append([]byte(nil), line...)) {
		p.lost = 1
	}
	return len(line), nil
}

func (p *patient) offer(line []byte) bool {
	select {
	case p.lines <- line:
		return true
	default:
		return false
	}
}

// Close writes what waits, unless nobody reads it: then it gives up after a moment.
func (p *patient) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	close(p.lines)
	select {
	case <-p.done:
	case <-time.After(patience):
	}
	return nil
}
