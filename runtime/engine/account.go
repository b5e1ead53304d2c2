package engine

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"
)

// Limit is one of the bounds that a plugin runs in, for counting how often it was met.
type Limit int

// The limits. What each counts is beside it.
const (
	LimitMemory   Limit = iota // instances that ended with no room for what a heap grows by, and versions refused for it
	LimitItemFuel              // calls that were stopped
	LimitStartFuel
	LimitIdleFuel
	LimitLogLines // lines that were dropped
	LimitLogBytes // lines that were dropped or cut
	LimitSeries   // metrics that were dropped
	LimitState    // values that were not kept
	LimitOutput   // calls that were stopped: more commands, frames or records for an item than allowed
	LimitCallTime // calls that took longer than they may
	limitCount
)

// String is the name of the setting.
func (l Limit) String() string {
	return [limitCount]string{
		"memory", "item_fuel", "start_fuel", "idle_fuel", "log_lines", "log_bytes", "metric_series", "state_bytes", "output", "call_time",
	}[l]
}

// AccountLimits bound what a plugin leaves with the host. A zero field takes its default.
type AccountLimits struct {
	// LogLines a second may be logged by all instances together, ten times as many at once. 0: 10.
	LogLines int

	// LogBytes a second may be logged, ten times as many at once. 0: 2,048, which are ten lines of 200.
	LogBytes int

	// Series is how many counters and gauges there may be. 0: 32. Each is a line of the host's metrics for ever.
	Series int

	// StateBytes is what keys and values may take, with 32 bytes for each pair. 0: 65,536.
	StateBytes int
}

func (l AccountLimits) withDefaults() AccountLimits {
	return AccountLimits{
		LogLines: cmp.Or(l.LogLines, 10), LogBytes: cmp.Or(l.LogBytes, 2048), Series: cmp.Or(l.Series, 32),
		StateBytes: cmp.Or(l.StateBytes, 64<<10),
	}
}

// Account is what a plugin has used and left with the host: it outlives the plugin's instances and versions. Its methods are safe
// for concurrent use.
type Account struct {
	limits  AccountLimits
	started time.Time
	hits    [limitCount]atomic.Uint64
	quota   quota
	metrics metrics
	state   state
}

// NewAccount makes an empty one.
func NewAccount(limits AccountLimits) *Account {
	limits = limits.withDefaults()
	a := &Account{limits: limits, started: time.Now()}
	a.quota.lines.fill(limits.LogLines)
	a.quota.bytes.fill(limits.LogBytes)
	return a
}

// Hit counts that a limit was met.
func (a *Account) Hit(l Limit) { a.hits[l].Add(1) }

// Hits gives how often each limit was met, by the name of its setting; those that never were are left out.
func (a *Account) Hits() map[string]uint64 {
	m := map[string]uint64{}
	for l := range limitCount {
		if n := a.hits[l].Load(); n > 0 {
			m[l.String()] = n
		}
	}
	return m
}

// mayLog takes a line out of the quota, and counts it if there is none left.
func (a *Account) mayLog(size int) bool {
	q, now := &a.quota, time.Since(a.started)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case !q.lines.has(now, 1):
		a.Hit(LimitLogLines)
	case !q.bytes.has(now, size):
		a.Hit(LimitLogBytes)
	default:
		q.lines.left--
		q.bytes.left -= float64(size)
		return true
	}
	return false
}

// quota bounds the log.
type quota struct {
	mu           sync.Mutex
	lines, bytes bucket
}

// bucket lets ten times its rate pass at once and its rate a second for long.
type bucket struct {
	rate, left float64
	last       time.Duration
}

const burst = 10 // times the rate of a second

func (b *bucket) fill(rate int) { b.rate, b.left = float64(rate), burst*float64(rate) }

func (b *bucket) has(now time.Duration, n int) bool {
	b.left = min(b.left+(now-b.last).Seconds()*b.rate, burst*b.rate)
	b.last = now
	return b.left >= float64(n)
}
