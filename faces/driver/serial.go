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

// port is a serial port as a stream. The library's Write waits for the port, knows no deadline, and does not end when the port is
// closed. So a goroutine of the port's own writes, and whoever waits for it waits for a time only: then what stands in the port's
// buffer is thrown away, which ends a write on most systems, and the port is closed in any case. A goroutine that still waits then is
// the kernel's to end; it never writes again.
type port struct {
	serial.Port
	baud  int
	todo  chan []byte
	done  chan written
	quit  chan struct{}
	gone  chan struct{} // closed: the goroutine has ended
	once  sync.Once
	late  *time.Timer
	buf   []byte
	stuck bool // of who writes: the goroutine has not come back
}

type written struct {
	n   int
	err error
}

// grace is how long a write may take to end after the port's buffer was emptied.
const grace = 100 * time.Millisecond

func openSerial(device string, m SerialMode) (stream, error) {
	mode := &serial.Mode{BaudRate: m.Baud, DataBits: m.DataBits, Parity: Parities[m.Parity]}
	if m.StopBits == 2 {
		mode.StopBits = serial.TwoStopBits
	}
	p, err := serial.Open(device, mode)
	if err != nil {
		return nil, fmt.Errorf("serial port %s: %w", device, serialError(err))
	}
	s := &port{
		Port: p, baud: max(m.Baud, 1), todo: make(chan []byte), done: make(chan written, 1), quit: make(chan struct{}), gone: make(chan struct{}),
		late: time.NewTimer(time.Hour),
	}
	go s.pump()
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

// pump writes until the port is closed.
func (p *port) pump() {
	defer close(p.gone)
	for {
		select {
		case <-p.quit:
			return
		case b := <-p.todo:
			n, err := p.Port.Write(b)
			p.done <- written{n, err}
		}
	}
}

// Write writes within the time that the bytes take at the port's speed, twice, and patience. One goroutine calls it.
func (p *port) Write(b []byte) (int, error) {
	if p.stuck {
		return 0, os.ErrDeadlineExceeded
	}
	p.buf = append(p.buf[:0], b...)
	select {
	case <-p.quit:
		return 0, os.ErrClosed
	case p.todo <- p.buf:
	}
	p.late.Reset(patience + 2*time.Duration(len(b))*12*time.Second/time.Duration(p.baud)) // at most 12 bits a byte
	defer p.late.Stop()
	select {
	case w := <-p.done:
		return w.n, w.err
	case <-p.quit:
		return 0, os.ErrClosed
	case <-p.late.C:
	}
	p.stuck = true
	_ = p.ResetOutputBuffer()
	return 0, os.ErrDeadlineExceeded
}

// Close ends a write that is under way and closes the port.
func (p *port) Close() (err error) {
	p.once.Do(func() {
		close(p.quit)
		_ = p.ResetOutputBuffer()
		select {
		case <-p.gone:
		case <-time.After(grace):
		}
		err = p.Port.Close()
	})
	return err
}

// SetReadDeadline does nothing: only a listener's peers are given a time, and a port has none.
func (p *port) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: Write has a time of its own.
func (p *port) SetWriteDeadline(time.Time) error { return nil }
