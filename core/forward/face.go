package forward

import (
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// FaceID names a face of a node: its slot in bits 15:0 and above it how often the slot was used, so that what a table says
// of a face that is gone is never taken for the one that has its slot now. 0 is the node itself.
type FaceID = table.FaceID

// Self is the node itself as an asker: of the newest that opens a subscription (P-16).
const Self FaceID = 0

const slotMask = 0xFFFF

func slotOf(id FaceID) int { return int(id & slotMask) }

// Link is the sending half of a face.
type Link interface {
	// Send sends frames, or queues them where the link has a queue, and tells how many it took: the first n. It must not
	// block, keep the slices, or call the node. One Send may run at a time for each worker.
	Send(frames [][]byte) (n int)
	// Close is called once, when the node removes the face (an idle on-demand face, P-11; or RemoveFace).
	Close()
}

// Batcher is a link that can send together with others.
type Batcher interface {
	Link
	// Batch is what it shares with them, compared by ==. It may change from one call to the next.
	Batch() Batch
}

// Batch sends for several links in one go: a Content for a thousand subscribers behind one socket is a few system calls.
type Batch interface {
	// SendAll does for each delivery what its Link's Send would do, and notes in it how many frames were taken. The list
	// is the caller's again when it returns.
	SendAll(list []Delivery)
}

// Delivery is frames for one link.
type Delivery struct {
	Link   Link
	Frames [][]byte
	Sent   int // the first so many were taken
}

// FaceConfig is what a node must know of a face.
type FaceConfig struct {
	Name      string
	Broadcast bool           // more than one node may hear what is sent: no Returns (P-6), no hello (P-18)
	OnDemand  bool           // made by a peer's first valid frame (P-11)
	Source    uint64         // of an on-demand face: keyed hash of the peer's address
	Address   uint64         // the same without the port, for the number of faces of one address
	Listener  *Listener      // of an on-demand face
	MTU       int            // longest frame; 0: wire.MaxFrame
	NetIDOut  bool           // write our own Net ID into the field (P-19); another network's always is
	Cost      uint16         // what an Announcement's cost grows by here (P-7); 0 counts as 1
	Publish   name.PrefixSet // may be published from here (P-17); nil: nothing
	Ask       name.PrefixSet // may be asked for from here, if AskSome
	AskSome   bool           // false: everything may be asked for
	Announce  name.PrefixSet // Announcements believed from here (P-7); nil: none
	Proxy     bool           // serves sleepers here (P-8)
	Hello     bool           // a forwarder is at the other end: probe it (P-18)
	Clock     bool           // refuse timestamps outside the window (P-4); on-demand faces only
	Share     float64        // part of each table that it may fill (P-22); 0: an eighth. Of the store a quarter at least
}

// Face is a face of a node. Its counters may be read at any time.
type Face struct {
	id   FaceID
	cfg  FaceConfig
	link Link
	many Batcher // the link, if it can send together with others
	up   atomic.Bool
	gone atomic.Bool
	last atomic.Int64 // monotonic ns of the latest valid frame
	subs atomic.Int64 // live subscriptions, for idleness (P-11)
	naps atomic.Int64 // sleepers, likewise (P-8)
	pull *pulls       // of a face that serves sleepers
	fail budget       // MAC failures (P-20)
	pub  budget       // frames under the public key (P-9)

	forwarder atomic.Bool  // it has greeted or announced: not a plain device (P-18)
	rtt       atomic.Int64 // smoothed, of the hellos, ns (P-18)
	queue     Queuer       // the link, if it tells
	hello     probe        // guarded by the node's mutex (P-18)
	held      bool         // the operator keeps it down; guarded by the node's mutex

	inFrames, inBytes, outFrames, outBytes atomic.Uint64
	drops                                  [drop.Count]atomic.Uint64
}

// ID names the face in this node.
func (f *Face) ID() FaceID { return f.id }

// Config is what the face was made with.
func (f *Face) Config() FaceConfig { return f.cfg }

// Up tells whether frames may be sent: false while its peer does not answer hellos (P-18) or its link is down.
func (f *Face) Up() bool { return f.up.Load() && !f.gone.Load() }

// Counters are a face's totals since it was made. Drops is indexed by drop.Reason.
type Counters struct {
	InFrames, InBytes, OutFrames, OutBytes uint64
	Drops                                  [drop.Count]uint64
	Subscriptions                          int64
}

// Counters reads the face's counters.
func (f *Face) Counters() Counters {
	c := Counters{
		InFrames: f.inFrames.Load(), InBytes: f.inBytes.Load(),
		OutFrames: f.outFrames.Load(), OutBytes: f.outBytes.Load(), Subscriptions: f.subs.Load(),
	}
	for i := range c.Drops {
		c.Drops[i] = f.drops[i].Load()
	}
	return c
}

func (c *Counters) add(o *Counters) {
	c.InFrames += o.InFrames
	c.InBytes += o.InBytes
	c.OutFrames += o.OutFrames
	c.OutBytes += o.OutBytes
	for i := range c.Drops {
		c.Drops[i] += o.Drops[i]
	}
	c.Subscriptions += o.Subscriptions
}

// Last is when the latest valid frame came in.
func (f *Face) Last() time.Duration { return time.Duration(f.last.Load()) }

func (f *Face) drop(why drop.Reason) { f.drops[why].Add(1) }

func (f *Face) mtu() int {
	if f.cfg.MTU <= 0 || f.cfg.MTU > wire.MaxFrame {
		return wire.MaxFrame
	}
	return f.cfg.MTU
}

func (f *Face) cost() uint16 { return max(f.cfg.Cost, 1) }

func (f *Face) mayAsk(n name.Name) bool { return !f.cfg.AskSome || f.cfg.Ask.Covers(n) }

// Listener is where on-demand faces come from (P-11): their common policy and the budget of its failures (P-20).
type Listener struct {
	Policy FaceConfig // Name, policies, Clock, MTU, …; OnDemand is implied
	faces  int        // guarded by the node's mutex
	fail   budget
	peers  [peerBuckets]budget // failures by address, of those that are not faces yet
	shut   atomic.Int64        // second until which unknown addresses are dropped unverified
	drops  [drop.Count]atomic.Uint64
	closed Counters // of its faces that are gone; guarded by the node's mutex
}

// Drops counts what came from peers that did not become faces, by drop.Reason.
func (l *Listener) Drops() (d [drop.Count]uint64) {
	for i := range d {
		d[i] = l.drops[i].Load()
	}
	return d
}

const peerBuckets = 1024

// budget counts events in the current second. It is approximate across goroutines, which is enough for a rate.
type budget struct {
	second atomic.Int64
	count  atomic.Int64
}

// spend counts one event and gives how many this second has had.
func (b *budget) spend(now time.Duration) int64 {
	s := int64(now / time.Second)
	if b.second.Swap(s) != s {
		b.count.Store(0)
	}
	return b.count.Add(1)
}

// spent is how many events this second has had.
func (b *budget) spent(now time.Duration) int64 {
	if b.second.Load() != int64(now/time.Second) {
		return 0
	}
	return b.count.Load()
}
