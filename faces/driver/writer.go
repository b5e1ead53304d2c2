package driver

import (
	"errors"
	"os"
	"time"

	"github.com/zmesh/zmesh/core/drop"
)

// Sizes of what is sent at once.
const (
	writeItems = 64       // frames that the driver is handed in one call
	writeBytes = 16 << 10 // after so many bytes they leave
)

// writer empties an outlet: it has the driver make bytes of frames, and writes them.
type writer struct {
	*session
	out    *outlet
	pace   *pace
	single bool // each of the driver's answers is a datagram of its own
	write  func(p *peer, b []byte) error

	queue   queue
	buf     []byte // what is to be written, to one peer
	to      *peer
	n       int   // frames that are in buf
	handled int   // entries that the outlet counts as unsent until buf is written
	err     error // of the first write that failed: nothing is written after it
}

func (l *Line) writer(out *outlet, write func(p *peer, b []byte) error) *writer {
	return &writer{session: l.session(), out: out, pace: newPace(l.traits, &l.count), write: write}
}

// loop writes until the outlet is closed, the line ends, or a write fails. What cannot be sent any more is counted.
func (w *writer) loop() error {
	for {
		select {
		case <-w.line.ctx.Done():
			return nil
		case <-w.out.wake:
		}
		for {
			open := w.out.take(&w.queue)
			if len(w.queue.entries) == 0 {
				if !open {
					return nil
				}
				break
			}
			if !open {
				w.err = os.ErrClosed
			}
			if w.drain(); w.err != nil {
				return w.err
			}
		}
	}
}

// drain sends what was taken from the queue.
func (w *writer) drain() {
	for list, bytes := w.queue.entries, w.queue.bytes; len(list) > 0; {
		n, size := w.batch(list)
		switch {
		case list[0].raw:
			w.put(list[0].peer, bytes[:size], 0)
		case w.err != nil:
			list[0].peer.drop(lostBy(w.err), 1)
			n, size = 1, list[0].size
		default:
			w.encode(list[:n], bytes[:size])
		}
		w.handled += n
		if w.pace.paced() {
			w.flush()
		}
		list, bytes = list[n:], bytes[size:]
	}
	w.flush()
}

// lostBy is what frames are counted under that a failed write leaves behind.
func lostBy(err error) drop.Reason {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return drop.SlowPeer
	}
	return drop.FaceDown
}

// batch is how many entries, and bytes of them, go to the driver at once: frames in a row, or one of what is raw. On a medium where
// there is something to wait for each goes alone, so that the waiting is spread.
func (w *writer) batch(list []entry) (n, size int) {
	if list[0].raw || w.pace.paced() {
		return 1, list[0].size
	}
	for n < len(list) && n < writeItems && !list[n].raw && (n == 0 || size+list[n].size <= MaxData) {
		size += list[n].size
		n++
	}
	return n, size
}

// encode has the driver make bytes of frames.
func (w *writer) encode(list []entry, bytes []byte) {
	w.begin()
	for _, e := range list {
		w.add(Send, e.peer, 0, bytes[:e.size])
		bytes = bytes[e.size:]
	}
	w.run()
	out := w.res.Outgoing
	for k := range w.res.Outcomes {
		o, p := &w.res.Outcomes[k], w.peers[k]
		p.tally(o)
		if o.Why == drop.None && o.Outgoing == 0 && o.Refused == 0 { // it made nothing of it
			p.drop(drop.DriverFailed, 1)
		}
		frame := 1
		for i := range out[:o.Outgoing] {
			if out[i].Peer != p.ID {
				w.line.reply(p, &out[i])
				continue
			}
			w.put(p, out[i].Data, frame)
			frame = 0
		}
		out = out[o.Outgoing:]
	}
}

// put adds bytes to what is to be written, which has as many frames more.
func (w *writer) put(p *peer, b []byte, frames int) {
	if len(w.buf) > 0 && (w.single || w.to != p || len(w.buf)+len(b) > writeBytes) {
		w.flush()
	}
	if w.err != nil {
		p.drop(lostBy(w.err), frames)
		return
	}
	w.to, w.buf, w.n = p, append(w.buf, b...), w.n+frames
}

// flush writes what there is, when the medium allows.
func (w *writer) flush() {
	if len(w.buf) > 0 {
		w.writeOut()
	}
	w.out.unsent.Add(int64(-w.handled))
	w.handled = 0
}

func (w *writer) writeOut() {
	if w.pace.paced() && !w.pace.wait(w.out, w.line.ctx.Done()) {
		w.err = os.ErrClosed
	} else {
		w.pace.sent(len(w.buf))
		w.line.count.writes.Add(1)
		w.line.count.writeBytes.Add(uint64(len(w.buf)))
		w.err = w.write(w.to, w.buf)
	}
	if w.err != nil {
		w.to.drop(lostBy(w.err), w.n)
	}
	w.buf, w.n = w.buf[:0], 0
}

// giveUp lets nothing in any more, and counts what waits as lost.
func (w *writer) giveUp() {
	w.out.close()
	w.out.take(&w.queue)
	if w.err == nil {
		w.err = os.ErrClosed
	}
	w.drain()
}

// patience is how long a write may wait for the peer. It is longer than a machine leaves a goroutine standing, and short beside
// what a peer could make others wait: nobody, since each connection has its own writer.
const patience = 2 * time.Second
