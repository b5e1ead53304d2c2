// Command cobs is the driver that ends each frame with a zero byte, and has none in it: Consistent Overhead Byte Stuffing, S. Cheshire
// and M. Baker, IEEE/ACM Transactions on Networking 7 (1999). Whatever is in a frame, it grows by one byte in 254.
//
// It owns the stuffing, and one bit for each peer: that what comes is too long to be a frame. What a frame says, and
// whether it is whole, it does not know: the host checks that.
package main

import (
	"bytes"

	"github.com/zmesh/zmesh/sdk/guest"
)

func init() { guest.ServeDriver(cobs{}) }

func main() {}

// block is how many bytes a code stands for at most: 254 that are not zero. A code of block+1 has no zero after them.
const block = 254

// stuffed is the longest that n bytes become, without the zero at the end.
func stuffed(n int) int { return n + n/block + 1 }

// longest is what the longest frame of 1,280 bytes takes: what is longer has lost its zero.
const longest = 1280 + 1280/block + 1

// cobs has no state beside the peer's block, whose first byte is 1 while a zero is looked for after too much.
type cobs struct{}

// Configure has nothing to read.
func (cobs) Configure(guest.Values) error { return nil }

// Received gives what stands between zeros.
func (cobs) Received(l *guest.Link, in []byte) int {
	begin, lost := 0, &l.PeerBlock()[0]
	for at := l.Seen(); ; {
		n := bytes.IndexByte(in[at:], 0)
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
	for {
		code := int(raw[0]) // not 0, which ends a frame
		if code > len(raw) {
			l.Damaged(1)
			return true
		}
		frame, raw = append(frame, raw[1:code]...), raw[code:]
		switch {
		case len(raw) == 0:
			return l.Frame(frame, 0)
		case code <= block:
			frame = append(frame, 0)
		}
	}
}

// Send writes the frame stuffed, and a zero.
func (cobs) Send(l *guest.Link, frame []byte) {
	b := l.Room(stuffed(len(frame)) + 1)
	if b == nil {
		return
	}
	for {
		n := bytes.IndexByte(frame, 0)
		if n < 0 {
			n = len(frame)
		}
		if n >= block {
			b = append(append(b, block+1), frame[:block]...)
			if frame = frame[block:]; len(frame) > 0 {
				continue
			}
			break
		}
		b = append(append(b, byte(n+1)), frame[:n]...)
		if n == len(frame) {
			break
		}
		frame = frame[n+1:]
	}
	l.Bytes(append(b, 0))
}

// Timer is never asked for.
func (cobs) Timer(*guest.Link) {}

// Event sends a zero when the link begins to work: it ends what noise has begun at the other end.
func (cobs) Event(l *guest.Link, up bool) {
	l.PeerBlock()[0] = 0
	if up {
		l.Bytes([]byte{0})
	}
}
