package bench

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets of 1/32 of their size: what is read from it is at most 3 % too large.
type histogram struct {
	counts [64 * steps]uint64
	n      uint64
}

const (
	stepBits = 5
	steps    = 1 << stepBits
)

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(uint64(max(d, 0)))]++
	h.n++
}

func bucket(ns uint64) int {
	if ns < steps {
		return int(ns)
	}
	e := bits.Len64(ns) - 1 - stepBits
	return (e+1)<<stepBits | int(ns>>e)&(steps-1)
}

// top is the upper bound of a bucket.
func top(b int) time.Duration {
	if b < steps {
		return time.Duration(b)
	}
	e := b>>stepBits - 1
	return time.Duration((uint64(b&(steps-1)|steps)+1)<<e - 1)
}

// quantile is the duration that a part q of all did not exceed; 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	left := uint64(q*float64(h.n-1)) + 1
	for b, n := range h.counts {
		if n >= left {
			return top(b)
		}
		left -= n
	}
	return 0
}

func (h *histogram) merge(o *histogram) {
	for b, n := range o.counts {
		h.counts[b] += n
	}
	h.n += o.n
}
