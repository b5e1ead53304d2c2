package driver

import (
	"sync/atomic"

	"github.com/zmesh/zmesh/core/drop"
)

// Counters are a line's totals since it was opened. What became of frames is counted at its face, or its listener.
type Counters struct {
	Reads       uint64 // that gave something
	Writes      uint64
	ReadBytes   uint64 // on the medium
	WriteBytes  uint64
	Connects    uint64 // connections made, or peers' accepted
	Refused     uint64 // connections beyond what a listener takes
	HalfDuplex  uint64 // writes that waited for silence
	DutyCycle   uint64 // writes that waited for their share of the time
	DriverCalls uint64
}

type counters struct {
	reads, writes, readBytes, writeBytes, connects, refused, halfDuplex, dutyCycle, calls atomic.Uint64
}

func (c *counters) read() Counters {
	return Counters{
		Reads: c.reads.Load(), Writes: c.writes.Load(), ReadBytes: c.readBytes.Load(), WriteBytes: c.writeBytes.Load(),
		Connects: c.connects.Load(), Refused: c.refused.Load(), HalfDuplex: c.halfDuplex.Load(), DutyCycle: c.dutyCycle.Load(),
		DriverCalls: c.calls.Load(),
	}
}

func (c *counters) delay(why drop.Reason) {
	if why == drop.DutyCycle {
		c.dutyCycle.Add(1)
	} else {
		c.halfDuplex.Add(1)
	}
}
