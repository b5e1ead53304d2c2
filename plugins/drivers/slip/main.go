// Command slip is the driver that sends each frame between two END bytes, as RFC 1055 has it: for serial lines, and for any other
// stream of bytes whose two ends agree on it.
//
// It owns the escaping, and one bit for each peer: that what comes is too long to be a frame. What a frame says, and
// whether it is whole, it does not know: the host checks that.
package main

import (
	"bytes"

	"github.com/zmesh/zmesh/sdk/guest"
)

func init() { guest.ServeDriver(slip{}) }

func main() {}

// The four bytes of RFC 1055.
const (
	end    = 0xC0
	esc    = 0xDB
	escEnd = 0xDC
	escEsc = 0xDD
)

// longest is what the longest frame of 1,280 bytes takes when every byte is escaped: what is longer has lost its END.
const longest = 2 * 1280

// slip has no state beside the peer's block, whose first byte is 1 while an END is looked for after too much.
type slip struct{}

// Configure has nothing to read.
func (slip) Configure(guest.Values) error { return nil }

// Received gives what stands between ENDs. Nothing between two of them is no frame (RFC 1055).
func (slip) Received(l *guest.Link, in []byte) int {
	begin, lost := 0, &l.PeerBlock()[0]
	for at := l.Seen(); ; {
		n := bytes.IndexByte(in[at:], end)
		if n < 0 {
			break
		}
		at += n
		if *lost == 0 && !take(l, in[begin:at]) {
			return begin
		}
		*lost = 0
		at++
		begin = at
	}
	if len(in)-begin <= longest {
		return begin
	}
	if *lost == 0 {
		l.Damaged(1)
	}
	*lost = 1
	return len(in)
}

// take gives one frame to the host; false if there is no room for it now.
func take(l *guest.Link, raw []byte) bool {
	if len(raw) == 0 {
		return true
	}
	frame := l.Room(len(raw))
	if frame == nil {
		return false
	}
	if bytes.IndexByte(raw, esc) < 0 { // most frames that are short
		return l.Frame(append(frame, raw...), 0)
	}
	n := unescape(frame[:len(raw)], raw)
	if n < 0 {
		l.Damaged(1)
		return true
	}
	return l.Frame(frame[:n], 0)
}

// unescape writes what stands between two ENDs without its escapes, and gives how many bytes that is; -1: one of them is none.
//
//go:noinline
func unescape(to, raw []byte) (n int) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == esc {
			if i++; i == len(raw) || raw[i]&^1 != escEnd {
				return -1
			}
			c = end
			if raw[i] == escEsc {
				c = esc
			}
		}
		to[n] = c
		n++
	}
	return n
}

// Send writes END, the frame with its ENDs and ESCs escaped, END. The first one ends what noise on the line has begun.
func (slip) Send(l *guest.Link, frame []byte) {
	b := l.Room(2*len(frame) + 2)
	if b == nil {
		return
	}
	b = append(b, end)
	for len(frame) > 0 {
		n := plain(frame)
		b = append(b, frame[:n]...)
		if frame = frame[n:]; len(frame) == 0 {
			break
		}
		b = append(b, esc, frame[0]&1+escEnd) // escEsc for esc, which is odd
		frame = frame[1:]
	}
	l.Bytes(append(b, end))
}

// plain is how many bytes at the beginning need no escape.
//
//go:noinline
func plain(b []byte) int {
	for i, c := range b {
		if c == end || c == esc {
			return i
		}
	}
	return len(b)
}

// Timer is never asked for.
func (slip) Timer(*guest.Link) {}

// Event begins anew: what was lost before does not matter any more.
func (slip) Event(l *guest.Link, _ bool) { l.PeerBlock()[0] = 0 }
