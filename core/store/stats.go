package store

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// Verdict is what the store did with a content.
type Verdict uint8

// The verdicts of [Shard.Put].
const (
	Stored    Verdict = iota // kept; also a late one
	Duplicate                // the same bytes are here already
	Conflict                 // other bytes are here under this number: the first stays (P-17)
	Suspect                  // kept aside: it may be the beginning of a new epoch (P-1). Not to be forwarded yet
	NotKept                  // not stored, to be forwarded all the same; Outcome.Cause says why
)

var verdictNames = [...]string{"stored", "duplicate", "conflict", "suspect", "not_kept"}

// String is the verdict as it stands in metrics.
func (v Verdict) String() string {
	if int(v) >= len(verdictNames) {
		return "unknown"
	}
	return verdictNames[v]
}

// Status is what the store can say to a question.
type Status uint8

// The answers of [Shard.Exact] and [Shard.Newest].
const (
	Miss        Status = iota // certainly not here
	Hit                       // here, and as safe as its class promises
	Uncommitted               // here, but not yet on disk: a confirmation waits (P-13), everybody else is answered
	OnDisk                    // to be fetched: [Shard.Fetch]
	Unwritten                 // here, in memory only: the disk did not take it. It is not confirmed, and everybody else is answered
)

var statusNames = [...]string{"miss", "hit", "uncommitted", "on_disk", "unwritten"}

// String is the status in lower case.
func (s Status) String() string {
	if int(s) >= len(statusNames) {
		return "unknown"
	}
	return statusNames[s]
}

// Cause says why a content was not kept, or why one was let go of.
type Cause uint8

// Why a content was not kept (P-22 unless noted).
const (
	NoCause     Cause = iota
	NeverCached       // its class is never cached (names A0–AF, or the configuration's list; P-14)
	Rate              // more than max_rate_per_name
	FaceShare         // more than a quarter of an hour's bytes from this face
	NamesFull         // no room for another name
	QueueFull         // the disk does not keep up

	Causes // number of causes, not a cause
)

var causeNames = [Causes]string{"none", "never_cached", "rate", "face_share", "names_full", "queue_full"}

// String is the cause as it stands in metrics.
func (c Cause) String() string {
	if c >= Causes {
		return "unknown"
	}
	return causeNames[c]
}

// Eviction says why a content left the memory.
type Eviction uint8

// Why a content left the memory.
const (
	EvictedAge   Eviction = iota // past its retention
	EvictedSpace                 // the oldest gave way to new ones; it is still on disk if it was committed

	Evictions // number of evictions, not one
)

// Stats counts what a shard did since it was made, and what it holds.
type Stats struct {
	Names, Entries, Bytes      int // held; Bytes includes headers and what was superseded in memory
	Suspected                  int // names with frames kept aside
	Stored, Late, Newest       uint64
	Duplicates, Conflicts      uint64
	Suspects                   uint64 // frames kept aside
	SuspectsLost               uint64 // frames kept aside that were let go of
	Epochs                     uint64 // opened by a backward jump
	NotKept                    [Causes]uint64
	Evicted                    [Evictions]uint64
	NamesForgotten             uint64
	Fetches, Fetched, NotFound uint64
	FetchesRefused             uint64
	Commits, WriteFailures     uint64
}

// Stats gives the counters.
func (s *Shard) Stats() Stats {
	out := s.stats
	out.Names = s.ids.n
	out.Entries = s.records
	out.Bytes = s.log.used
	out.Suspected = len(s.suspects.slots) - len(s.suspects.free)
	return out
}

// EventKind is what an [Event] is about.
type EventKind uint8

// The events of a shard.
const (
	EpochOpened    EventKind = iota // a backward jump was believed: Ext is the first number of the new epoch (P-1)
	EpochWrapped                    // the numbers came to their end and began again (P-1)
	JumpConfirmed                   // a forward jump above 2^16 was believed (P-17)
	ConflictSeen                    // two contents with one number; the first stays (P-17)
	NamesExhausted                  // a name was refused for want of room; once an hour
)

var eventNames = [...]string{"epoch_opened", "epoch_wrapped", "jump_confirmed", "conflict", "names_exhausted"}

// String is the kind as it stands in the log.
func (k EventKind) String() string {
	if int(k) >= len(eventNames) {
		return "unknown"
	}
	return eventNames[k]
}

// Event is something that an operator wants to know. Face is where it came from, 0 if unknown.
type Event struct {
	Kind EventKind
	Key  name.Key
	Ext  uint64
	Face uint32
	At   time.Duration
}

func (s *Shard) event(kind EventKind, k name.Key, ext uint64, face uint32) {
	if s.cfg.Event != nil {
		s.cfg.Event(Event{Kind: kind, Key: k, Ext: ext, Face: face, At: s.now})
	}
}
