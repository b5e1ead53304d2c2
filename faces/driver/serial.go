package driver

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.bug.st/serial"
)

// SerialMode is how a serial port is set.
type SerialMode struct {
	Baud     int    // bits a second
	DataBits int    // 5 … 8
	Parity   string // none | odd | even | mark | space
	StopBits int    // 1 or 2
}

// Parities are the words of a [SerialMode].
var Parities = map[string]serial.Parity{
	"none": serial.NoParity, "odd": serial.OddParity, "even": serial.EvenParity, "mark": serial.MarkParity, "space": serial.SpaceParity,
}

// port is a serial port as a stream. The library's Write waits for the port and knows no deadline, and closing the port does not
// end it; throwing away what stands in the port's buffer does. So that is what happens when a write takes too long, or the port
// is to be closed: after a cut a frame is lost anyway.
type port struct {
	serial.Port
	baud int

	mu   sync.Mutex // held while something is written, and to close
	late *time.Timer

	flush   sync.Mutex // of what follows
	writing bool
	missed  bool // the write at hand took too long
	closed  bool
}

func openSerial(device string, m SerialMode) (stream, error) {
	mode := &serial.Mode{BaudRate: m.Baud, DataBits: m.DataBits, Parity: Parities[m.Parity]}
	if m.StopBits == 2 {
		mode.StopBits = serial.TwoStopBits
	}
	p, err := serial.Open(device, mode)
	if err != nil {
		return nil, fmt.Errorf("serial port %s: %w", device, serialError(err))
	}
	s := &port{Port: p, baud: max(m.Baud, 1)}
	s.late = time.AfterFunc(time.Hour, s.hurry)
	s.late.Stop()
	return s, nil
}

// serialError says what to do about the usual reasons.
func serialError(err error) error {
	var p *serial.PortError
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no such device: plug it in, or name another (%w)", err)
	case errors.As(err, &p) && p.Code() == serial.PermissionDenied:
		return fmt.Errorf("no permission: on Linux add the user to the group of the device, often dialout (%w)", err)
	case errors.As(err, &p) && p.Code() == serial.PortBusy:
		return fmt.Errorf("another program has it (%w)", err)
	}
	return err
}

// Write writes within the time that the bytes take at the port's speed, twice, and patience.
func (p *port) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begin() {
		return 0, os.ErrClosed
	}
	p.late.Reset(patience + 2*time.Duration(len(b))*12*time.Second/time.Duration(p.baud)) // at most 12 bits a byte
	n, err := p.Port.Write(b)
	p.late.Stop()
	if p.ended() {
		return n, os.ErrDeadlineExceeded
	}
	return n, err
}

func (p *port) begin() bool {
	p.flush.Lock()
	defer p.flush.Unlock()
	p.writing, p.missed = !p.closed, false
	return p.writing
}

func (p *port) ended() (missed bool) {
	p.flush.Lock()
	defer p.flush.Unlock()
	p.writing = false
	return p.missed
}

// hurry makes an end of a write that takes too long.
func (p *port) hurry() {
	for p.throwAway() {
		time.Sleep(time.Millisecond)
	}
}

// throwAway empties the port's buffer; false if nothing is being written.
func (p *port) throwAway() bool {
	p.flush.Lock()
	defer p.flush.Unlock()
	if p.writing {
		p.missed = true
		_ = p.ResetOutputBuffer()
	}
	return p.writing
}

// Close ends a write that is under way and closes the port.
func (p *port) Close() error {
	p.flush.Lock()
	was := p.closed
	p.closed = true
	p.flush.Unlock()
	if was {
		return nil
	}
	p.hurry()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Port.Close()
}

// SetReadDeadline does nothing: only a listener's peers are given a time, and a port has none.
func (p *port) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: Write has a time of its own.
func (p *port) SetWriteDeadline(time.Time) error { return nil }
