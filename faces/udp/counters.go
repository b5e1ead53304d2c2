package udp

import (
	"sync/atomic"
	"time"
)

// Counters are a socket's totals since it was opened. What happened to a frame once the node had it is in the counters of its
// face, or of the listener.
type Counters struct {
	Datagrams  uint64        // read
	Bursts     uint64        // reads that gave at least one
	ReadCalls  uint64        // system calls for reading
	Naps       uint64        // sleeps before a read, at a moderate rate; Linux only
	ReadErrors uint64        // failed reads; the socket goes on
	Strangers  uint64        // dropped: from no known address, and there is no listener (P-11)
	Early      uint64        // dropped: from a remote whose face was being made at that moment
	Joined     uint64        // messages read that held several datagrams of one peer (UDP_GRO)
	Timed      time.Duration // what reads of TimedOf datagrams took, of one read in 64 that found some; Linux only
	TimedOf    uint64
	Overflow   uint64 // dropped by the kernel because the receive buffer was full; Linux only, its 32-bit counter, which has joined datagrams (UDP_GRO) once

	Sent       uint64 // datagrams that the kernel took
	SendCalls  uint64 // system calls for sending
	Segments   uint64 // datagrams that left in messages of several (UDP_SEGMENT)
	NoOffload  uint64 // 1 if each datagram is a message: the system does not segment, or has refused to
	SendFull   uint64 // sends cut short because the send buffer was full; the node counts the frames as send_queue
	SendErrors uint64 // sends cut short by an error, such as no route to the host; frames counted likewise
}

// counters are Counters as they are written: by the reader and by every worker that sends.
type counters struct {
	datagrams, bursts, readCalls, naps, readErrors, strangers, early, joined, timed, timedOf atomic.Uint64
	sent, sendCalls, sendFull, sendErrors, segments, noOffload                               atomic.Uint64
}

func (c *counters) read() Counters {
	return Counters{
		Datagrams: c.datagrams.Load(), Bursts: c.bursts.Load(), ReadCalls: c.readCalls.Load(), Naps: c.naps.Load(),
		ReadErrors: c.readErrors.Load(), Strangers: c.strangers.Load(), Early: c.early.Load(),
		Sent: c.sent.Load(), SendCalls: c.sendCalls.Load(), SendFull: c.sendFull.Load(), SendErrors: c.sendErrors.Load(),
		Joined: c.joined.Load(), Timed: time.Duration(c.timed.Load()), TimedOf: c.timedOf.Load(), Segments: c.segments.Load(), NoOffload: c.noOffload.Load(),
	}
}
