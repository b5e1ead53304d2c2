package store

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// Backend keeps contents beyond the memory of one shard: core/store/disk. Its methods never block; all but those that say
// otherwise are called under the worker's mutex. What it has to tell waits in it until Completions is called.
type Backend interface {
	// Load calls yield once for each name it holds for this shard, and names that are not older than the others of the
	// same key. It is called once, by NewShard, and may take its time. notify is to be called, from any goroutine, when
	// Completions has something to give.
	Load(notify func(), yield func(*Loaded))
	// Write queues a content, copying what it keeps. False: the queue is full. The n-th content that is queued has ticket n.
	Write(w *Write) bool
	// Read queues a read. False: the queue is full.
	Read(r *Read) bool
	// Completions calls yield for what was finished since the last call. A Body is valid until yield returns.
	Completions(yield func(*Completion))
}

// Loaded is what a Backend knows of a name at the start.
type Loaded struct {
	Key       name.Key
	Newest    uint64 // ext of the newest
	Wall      int64  // when it arrived, Unix ms
	MAC       uint32 // last four bytes of its body
	Hour      uint32 // the latest hour with a content of the name; see Completion
	Producer  bool   // the newest came from the name's producer face
	Published bool   // the name was published here
}

// Write is a content for the Backend.
type Write struct {
	Key       name.Key
	Ext       uint64
	Wall      int64         // arrival, Unix ms
	Now       time.Duration // the same moment, monotonic
	Class     Class         // Buffered or Durable
	Producer  bool
	Body      []byte
	Newest    uint64 // ext of the newest of the name, this one included; NewestWall, -MAC and -Producer belong to it
	NewestAt  int64
	NewestMAC uint32
	FromFirst bool // the newest came from the producer face
	Late      bool // the number may be on disk already: what is there stays (P-17)
	Published bool
}

// Read asks for one content.
type Read struct {
	Key    name.Key
	Seq    uint32 // 0: the newest
	Ext    uint64 // of the newest, or the latest that Seq can mean: where the search begins, one epoch at a time
	Lowest uint64 // nothing below it is there: where the search ends
	Check  []byte // not nil: tell instead whether any content numbered Seq is byte-identical to this frame's body (P-1)
}

// Done says what a Completion or a Result is about.
type Done uint8

const (
	DoneRead    Done = iota // a read: Body, or nil where it is not there
	DoneCommit              // contents became as safe as their class promises: all up to Ticket that nothing was told of before
	DoneFailed              // contents could not be written, and stay in memory only: all up to Ticket that nothing was told of before
	DoneTaken               // the late content with this Ticket was not written, since other bytes are there under its number (P-17). Of a Completion only
	DoneHeld                // the late content with this Ticket was not written, since it is there and safe. Of a Completion only
	DoneCheck               // a check: Same
	DoneRetired             // what is older than Hour is gone
	DoneOpened              // of a Result only: a suspect frame was admitted, its epoch is open
)

// Completion is what a Backend has finished.
type Completion struct {
	Done     Done
	Ticket   uint64 // of the last of the writes that it is about, or of the one
	Key      name.Key
	Seq      uint32 // as it was asked
	Ext      uint64 // of the content; 0 if it was not found
	Next     uint64 // of a read that found nothing: the lowest ext that is there; 0: unknown
	Wall     int64  // arrival, Unix ms
	Hour     uint32 // the Backend's own count of its retention steps: a name is on disk while its last Hour is not retired
	Producer bool
	MAC      uint32 // of a check: last four bytes of what was asked about
	Same     bool
	Unsure   bool // of a read that found nothing: not all could be read, so nothing is to be learnt from it
	Unsafe   bool // of a read: from where a sync has failed, so nobody may be told that it is safe
	Body     []byte
}

// Result is what [Shard.Take] gives: a Completion as the host needs it.
type Result struct {
	Done   Done
	Key    name.Key
	Seq    uint32 // FSEQ of the content; where a read found nothing, as it was asked
	Asked  uint32 // of a read: as it was asked, 0 for the newest
	Ext    uint64
	Body   []byte // nil: not there, or of a commit no longer in memory. Valid until yield returns
	Unsafe bool   // of a read: not to be confirmed to its producer (P-13)
	Newest Newest // of a read for the newest
	Face   uint32 // of DoneOpened: where it came from
	Epoch  bool   // of DoneOpened: this content opened the epoch
	// Awaited, of a commit or a failure: somebody was told that some content of the name is not safe yet. Where it is false nobody can be
	// waiting for this one.
	Awaited bool
}
