package plugin

import (
	"math/bits"
	"sync/atomic"
)

// histogram counts values by size in a fixed number of steps, four for each power of two, so that a value is known to a quarter. It may
// be read while it is written; nothing is allocated.
type histogram struct {
	steps [4 * 62]atomic.Uint32
	most  atomic.Uint64
}

// add counts a value.
func (h *histogram) add(v uint64) {
	h.steps[stepOf(v)].Add(1)
	for most := h.most.Load(); v > most && !h.most.CompareAndSwap(most, v); most = h.most.Load() {
	}
}

// stepOf gives 0 to 3 for the values 0 to 3, and then four steps for each power of two.
func stepOf(v uint64) int {
	if v < 4 {
		return int(v)
	}
	power := min(bits.Len64(v)-1, 62)
	return 4*(power-1) + int(v>>(power-2)&3)
}

// upTo is the largest value of a step.
func upTo(step int) uint64 {
	if step < 4 {
		return uint64(step)
	}
	power, quarter := step/4+1, uint64(step%4)
	return (4+quarter+1)<<(power-2) - 1
}

// Percentiles tell how values are spread, each within a quarter and never too low; the most is exact.
type Percentiles struct {
	Samples uint64 `json:"samples"`
	P50     uint64 `json:"p50"`
	P90     uint64 `json:"p90"`
	P99     uint64 `json:"p99"`
	Most    uint64 `json:"most"`
}

// percentiles of several histograms together.
func percentiles(list []*histogram) (p Percentiles) {
	var steps [len(histogram{}.steps)]uint64
	for _, h := range list {
		for k := range steps {
			n := uint64(h.steps[k].Load())
			steps[k] += n
			p.Samples += n
		}
		p.Most = max(p.Most, h.most.Load())
	}
	for _, want := range []struct {
		to      *uint64
		percent uint64
	}{{&p.P50, 50}, {&p.P90, 90}, {&p.P99, 99}} {
		rank, seen := (p.Samples*want.percent+99)/100, uint64(0)
		for k := 0; k < len(steps) && p.Samples > 0; k++ {
			if seen += steps[k]; seen >= rank {
				*want.to = min(upTo(k), p.Most)
				break
			}
		}
	}
	return p
}
