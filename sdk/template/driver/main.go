// Command my-driver is a Z-Mesh driver: it turns the bytes of a link into frames, and frames into bytes. On the line stands a mark, two bytes
// of length, big-endian, and the frame. What comes between two frames is passed over up to the next mark.
//
// It keeps nothing: the beginning of a frame whose end has not come stays with the host, which offers it again.
package main

import (
	"bytes"

	"github.com/zmesh/zmesh/sdk/guest"
)

func init() { guest.ServeDriver(driver{}) }

func main() {}

const (
	mark    = 0xA5
	head    = 3 // mark and length
	longest = 1280
)

type driver struct{}

// Configure has nothing to read.
func (driver) Configure(guest.Values) error { return nil }

// Received takes the frames that are whole, and gives how many bytes are done with.
func (driver) Received(l *guest.Link, in []byte) (consumed int) {
	for {
		at := bytes.IndexByte(in[consumed:], mark)
		if at < 0 {
			return len(in) // noise
		}
		consumed += at
		rest := in[consumed:]
		if len(rest) < head {
			return consumed
		}
		switch size := int(rest[1])<<8 | int(rest[2]); {
		case size == 0 || size > longest: // it was no mark
			l.Damaged(1)
			consumed++
		case len(rest) < head+size, !l.Frame(rest[head:head+size], 0): // the end has not come, or there is no room now
			return consumed
		default:
			consumed += head + size
		}
	}
}

// Send writes one frame.
func (driver) Send(l *guest.Link, frame []byte) {
	if b := l.Room(head + len(frame)); b != nil {
		l.Bytes(append(append(b, mark, byte(len(frame)>>8), byte(len(frame))), frame...))
	}
}

// Timer is never asked for: see guest.Link.After.
func (driver) Timer(*guest.Link) {}

// Event has nothing to begin or to end.
func (driver) Event(*guest.Link, bool) {}
