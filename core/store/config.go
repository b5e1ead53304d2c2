package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// Class is how well a content is kept (store.durability). What each loses at a power cut is in the package comment.
type Class uint8

// The durability classes. Inherit stands for the default of the [Config]; in a Config itself it means Memory.
const (
	Inherit  Class = iota
	Memory         // never reaches the disk
	Buffered       // on disk at the next sync, 1 s by default
	Durable        // on disk when it is confirmed
)

var classNames = [...]string{Inherit: "inherit", Memory: "memory", Buffered: "buffered", Durable: "durable"}

// String is the class as it stands in a configuration.
func (c Class) String() string {
	if int(c) >= len(classNames) {
		return "unknown"
	}
	return classNames[c]
}

// Unlimited as a rate means that there is none.
const Unlimited = -1

// Rule says how names under a prefix are kept. The rule with the longest prefix that covers a name holds for it, alone:
// what is zero in it comes from the Config, not from a shorter rule.
type Rule struct {
	Prefix         name.Name     // bytes past Length are 0
	Length         int           // bytes of Prefix that count, 0 … 6; in every network of the node
	Retention      time.Duration // 0: Config.Retention
	KeepNewest     bool          // the last content stays however old
	Class          Class         // Inherit: Config.Class
	MaxRatePerName int           // contents a minute; 0: Config.MaxRatePerName; Unlimited: no limit
	NewestMaxAge   time.Duration // how old the newest may be to be an answer (P-15 c); 0: the host's own
}

// Config holds the options of one [Shard]. Its sizes are for this shard: a host with several workers divides the node's.
type Config struct {
	// LogBytes bounds the memory that bodies and their headers take. Default 32 MiB: about 200,000 contents of 100 bytes,
	// little enough for a gateway with 256 MiB. Rounded to whole segments, at least 32 KiB.
	LogBytes int
	// MaxNames bounds the index of names, about 150 bytes each. One face brings a quarter of them at most (P-22). Default 262,144: ten times the largest building that the
	// protocol's authors describe, and still below 64 MiB with all its tables.
	MaxNames int
	// MaxEntries bounds the contents in memory, 24 bytes of index each. Default LogBytes/64, so that bytes are what runs
	// out first: no content with its header is below 64 bytes.
	MaxEntries int
	// MaxSuspects bounds the names for which frames are kept aside (P-1). Default 256: at most 0.7 MiB.
	MaxSuspects int
	// SuspectHold is how long a frame is kept aside. Default 24 h: a sensor that sends once an hour needs three hours to
	// show that its numbers have begun anew.
	SuspectHold time.Duration
	// MaxFetches bounds the reads from the Backend under way. Default 1,024: sixteen wildcard answers of 64 (P-5).
	MaxFetches int

	// Retention is how long contents stay. Default 24 h, the protocol page's example.
	Retention time.Duration
	// Class is the durability of names without a rule. Default Memory; always Memory without a Backend.
	Class Class
	// MaxRatePerName is how many contents of a name are kept in a minute (P-22). Default 60.
	MaxRatePerName int
	// Rules are what differs from this by prefix.
	Rules []Rule
	// HourBytes is what an hour of this shard's store may hold: max_size by hours of retention and workers. One face gets
	// a quarter of it (P-22). Default LogBytes: without a disk the log is the store.
	HourBytes int64

	// Seed keys the hash of the index, so that names cannot be chosen to collide. From the host's random source.
	Seed [2]uint64
	// Sorted keeps the names in order for [Shard.Match] (P-5): only hierarchical networks have wildcards, P-14.
	Sorted bool

	// Now and Wall are the time at which the shard is made: since the node's start, and Unix ms. What the Backend holds
	// from an earlier run is dated by them.
	Now  time.Duration
	Wall int64

	// Backend keeps contents beyond memory; nil: memory only.
	Backend Backend
	// Ready is called from a goroutine of the Backend when [Shard.Take] has something to give. It must not call the shard
	// itself: the host locks the worker first.
	Ready func(*Shard)
	// Event is called, under the worker's mutex, for what an operator wants to know. It must not call the shard.
	Event func(Event)
}

// Defaults of [Config]; P-22 for the rate.
const (
	defaultLogBytes       = 32 << 20
	defaultMaxNames       = 1 << 18
	defaultMaxSuspects    = 256
	defaultSuspectHold    = 24 * time.Hour
	defaultMaxFetches     = 1024
	defaultRetention      = 24 * time.Hour
	defaultMaxRatePerName = 60
	minLogBytes           = 32 << 10
	minRecordBytes        = 64
)

// faceShare is the part of an hour's bytes that one face may fill: a quarter (P-22).
const faceShare = 0.25

func (c *Config) setDefaults() {
	c.LogBytes = max(cmp.Or(c.LogBytes, defaultLogBytes), minLogBytes)
	c.MaxNames = cmp.Or(c.MaxNames, defaultMaxNames)
	c.MaxEntries = cmp.Or(c.MaxEntries, c.LogBytes/minRecordBytes)
	c.MaxSuspects = cmp.Or(c.MaxSuspects, defaultMaxSuspects)
	c.SuspectHold = cmp.Or(c.SuspectHold, defaultSuspectHold)
	c.MaxFetches = cmp.Or(c.MaxFetches, defaultMaxFetches)
	c.Retention = cmp.Or(c.Retention, defaultRetention)
	c.Class = cmp.Or(c.Class, Memory)
	c.MaxRatePerName = cmp.Or(c.MaxRatePerName, defaultMaxRatePerName)
	c.HourBytes = cmp.Or(c.HourBytes, int64(c.LogBytes))
	if c.Backend == nil {
		c.Class = Memory
	}
}

// rules gives the rules with everything filled in, longest first, the default last.
func (c *Config) rules() []Rule {
	out := slices.Clone(c.Rules)
	slices.SortStableFunc(out, func(a, b Rule) int { return cmp.Compare(b.Length, a.Length) })
	out = append(out, Rule{})
	for i := range out {
		c.complete(&out[i])
	}
	return out
}

func (c *Config) complete(r *Rule) {
	r.Retention = cmp.Or(r.Retention, c.Retention)
	r.Class = cmp.Or(r.Class, c.Class)
	r.MaxRatePerName = cmp.Or(r.MaxRatePerName, c.MaxRatePerName)
	if c.Backend == nil {
		r.Class = Memory
	}
}

func (r *Rule) covers(n name.Name) bool {
	return n.Uint48()>>(8*(name.Size-r.Length)) == r.Prefix.Uint48()>>(8*(name.Size-r.Length))
}

// RuleFor gives the rule that holds for k, with everything filled in. A backend asks it for keep_newest.
func (c *Config) RuleFor(k name.Key) Rule {
	n, best := k.Name(), Rule{Length: -1}
	for i := range c.Rules {
		if r := &c.Rules[i]; r.Length > best.Length && r.covers(n) {
			best = *r
		}
	}
	filled := *c
	filled.setDefaults()
	filled.complete(&best)
	best.Length = max(best.Length, 0)
	return best
}

func ruleIndex(rules []Rule, k name.Key) int {
	n := k.Name()
	return slices.IndexFunc(rules, func(r Rule) bool { return r.covers(n) })
}
