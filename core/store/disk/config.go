package disk

import (
	"cmp"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/name"
)

// Config holds the options of a [Store].
type Config struct {
	// Dir is the store's folder; it is made if it is not there.
	Dir string
	// FS is where Dir is. Default: the machine's file system.
	FS vfs.FS
	// Wall gives the time in Unix ms, Mono the time since some moment, which no setting of the clock changes, and After a channel
	// that is sent to once d has passed. All are required: the core has no clock of its own.
	Wall  func() int64
	Mono  func() time.Duration
	After func(d time.Duration) <-chan time.Time

	// Retention is the longest retention of all rules. Default 24 h. A directory goes when all in it is older.
	Retention time.Duration
	// KeepNewest tells whether the newest content of a name stays beyond its retention (keep_newest). Nil: of none.
	KeepNewest func(name.Key) bool
	// MaxBytes bounds the folder (store.max_size); 0: no bound. It is looked at when an hour begins and after each 64th of it.
	MaxBytes uint64

	// SyncEvery is how often buffered contents are made safe. Default 1 s: what a flash card bears for years.
	SyncEvery time.Duration
	// QueueBytes bounds what waits to be written. Half of it, at most 8 MiB, is written without waiting for SyncEvery. It is taken as contents
	// come and given back. Default DefaultQueueBytes. Until it is written a content is answered from the shards' memory alone, so a
	// node whose shards have less than that has a shorter queue.
	QueueBytes int
	// Readers is the number of goroutines that read. Default 2: one slow read does not hold up all others.
	Readers int
	// ReadQueue bounds the reads that wait. Default 1,024, the bound of one shard.
	ReadQueue int
	// CacheBytes is the block cache that all hours share. Default 8 MiB: a gateway's memory is small, and the newest
	// contents are in the shards' memory. What MemTableBytes does not take goes to it too.
	CacheBytes int64
	// OpenFiles bounds the files that all hours hold open for reading. Default 640: all tables that lie over each other at full rate, which a question
	// would open one after the other.
	OpenFiles int
	// MemTableBytes is the memory in which the current hour collects what goes to one file. Default 4 MiB.
	MemTableBytes uint64
	// TablesOver is how many tables of the current hour may lie over each other before they are compacted into one level. Whatever is compacted
	// before the hour has ended is written once more, and that while contents come at the highest rate: with half of the default QueueBytes in
	// each, 128 come in 10 to 20 s of it. On the other hand each question has to look into all of them (RATIONALE), their Bloom filters need room
	// in the cache, and their files have to be open. Default 128. At full rate so many times
	// more as patience says (commit.go) wait for a calmer second.
	TablesOver int

	// Event is called, from the store's goroutines, for what an operator wants to know. It must not call the store.
	Event func(Event)
}

// DefaultQueueBytes is what comes at full rate while a table of half of it is written, also where that takes half a second.
const DefaultQueueBytes = 12 << 20

const (
	hoursInRetention = 24        // architecture page: longest retention / 24 …
	shortestHour     = time.Hour // … at least one hour
	maxHours         = 26        // 24 full ones, the current one and one that is about to go
)

func (c *Config) setDefaults() error {
	if c.Dir == "" || c.Wall == nil || c.Mono == nil || c.After == nil {
		return errors.New("the options Dir, Wall, Mono and After must be set")
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.KeepNewest == nil {
		c.KeepNewest = func(name.Key) bool { return false }
	}
	if c.Event == nil {
		c.Event = func(Event) {}
	}
	c.Retention = cmp.Or(c.Retention, 24*time.Hour)
	c.SyncEvery = cmp.Or(c.SyncEvery, time.Second)
	c.QueueBytes = cmp.Or(c.QueueBytes, DefaultQueueBytes)
	c.Readers = cmp.Or(c.Readers, 2)
	c.ReadQueue = cmp.Or(c.ReadQueue, 1024)
	c.CacheBytes = cmp.Or(c.CacheBytes, 8<<20)
	c.OpenFiles = cmp.Or(c.OpenFiles, 640)
	c.TablesOver = cmp.Or(c.TablesOver, 128)
	c.MemTableBytes = cmp.Or(c.MemTableBytes, 4<<20)
	return nil
}

// hourMillis is the length of an hour in ms.
func (c *Config) hourMillis() int64 {
	return max(c.Retention/hoursInRetention, shortestHour).Milliseconds()
}

// EventKind is what an [Event] is about.
type EventKind uint8

// The events of a store.
const (
	HourOpened   EventKind = iota // a new directory was begun
	HourRetired                   // a directory was removed, since all in it is past its retention
	HourDropped                   // … before its time: MaxBytes was reached, or there were too many
	HourDamaged                   // a directory could not be used and was set aside; Err says why
	WriteFailed                   // the disk took no more; Err says why. Contents stay in memory only until it does again
	Recovered                     // the disk takes contents again
	ReadFailed                    // an hour could not be read; Err says why
	SealFailed                    // an hour that has ended could not be compacted; it is read as it stands, and tried again
	ClockStepped                  // the wall clock was set, By says by how much: what is stored keeps its age
)

var eventNames = [...]string{
	"hour_opened", "hour_retired", "hour_dropped", "hour_damaged", "write_failed", "recovered", "read_failed", "seal_failed", "clock_stepped",
}

// String is the kind as it stands in the log.
func (k EventKind) String() string {
	if int(k) >= len(eventNames) {
		return "unknown"
	}
	return eventNames[k]
}

// Event is something that an operator wants to know.
type Event struct {
	Kind EventKind
	Dir  string // of the hour
	Err  error
	By   time.Duration
}
