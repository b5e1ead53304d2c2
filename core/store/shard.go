package store

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// Shard is one worker's part of the Content Store. All its methods are called under that worker's mutex; none blocks, does
// I/O or starts a goroutine. Put, Exact and Newest do not allocate once the tables have grown.
type Shard struct {
	cfg      Config
	rules    []Rule
	ids      table // name.Key | keyMark -> entry
	recent   [recentNames]recentName
	records  int   // in memory
	index    table // entry<<24 | FSEQ -> pos of the record stored last, which may be gone
	pages    []*page
	entries  uint32 // in use or unused; 0 is the ring's head
	unused   []uint32
	log      recordLog
	saved    int // bytes that segments evicted so far have left of the half that may move on
	names    sorted
	handed   handedQueue
	suspects suspects
	released []Released
	faces    faceBytes
	brought  table // face -> names that it brought
	fetching table // entry<<24 | asked -> 1
	longest  time.Duration
	now      time.Duration
	wall     int64
	oldest   uint32 // hours of the backend before this one are gone
	warned   time.Duration
	writing  Write
	out      Outcome // of the last Put: handed out by value it would be written piece by piece and then copied, which waits for the pieces
	known    Known   // of the last Known, likewise
	stats    Stats
}

// recentName is what ids said of a name: one frame asks for its name several times, and a few frames before it Ahead did. id 0: the name
// is not there.
type recentName struct {
	key uint64 // with keyMark
	id  uint32
}

// recentNames is how many are kept, each in the place that its key gives it: more than lie between Ahead and its frame.
const recentNames = 16

func (s *Shard) recentOf(key uint64) *recentName { return &s.recent[key*0x9E3779B97F4A7C15>>(64-4)] }

// keyMark keeps the key of the name of zeros from being the empty slot's. Keys use 56 bits.
const keyMark = 1 << 63

// entry is what is known of a name. Entry 0 is the head of the ring of those with nothing in memory.
type entry struct {
	key         name.Key
	top         uint64 // ext of the newest admitted; 0: none yet
	newest      uint64 // ext of the newest stored; below top if the newest was not kept
	newestAt    pos    // 0: not in memory
	newestTime  time.Duration
	newestHeard time.Duration // when it came last, also as a copy
	lowest      uint64        // nothing below it is here, in memory or on disk
	jump        uint64        // last of a forward jump that is not believed yet (P-17)
	paidTo      time.Duration
	highest     uint64 // ext of the highest number on disk; 0: none
	peak        uint64 // ext of the highest that was in memory since the name last had nothing there
	newestMAC   uint32
	face        uint32 // that brought the name; 0: an earlier run
	next, prev  uint32 // ring of those with nothing in memory, the one that became so first in front
	live        uint32 // records in memory
	lastHour    uint32 // latest hour of the backend with one of its contents
	rule        uint16
	run         uint16 // 1 + its run of suspects; 0: none
	pins        uint16 // reads under way
	jumps       uint8
	inRing      bool
	published   bool
	byProducer  bool // the newest came from the producer face
	safe        bool // the newest is on disk
	epochs      bool // what is in memory may be of several epochs
	awaited     bool // somebody was told that a content is not safe yet
}

// join counts one more record in memory.
func (e *entry) join(ext uint64) {
	if e.live == 0 {
		e.peak, e.epochs = ext, false
	}
	e.epochs = e.epochs || ext>>seqBits != e.peak>>seqBits
	e.peak = max(e.peak, ext)
	e.live++
}

// inMemory tells whether a record with this FSEQ may be in memory, without a look into the index: what is asked for most often and not there is the
// number that is yet to come.
func (e *entry) inMemory(seq uint32) bool {
	return e.live > 0 && (e.epochs || seq <= uint32(e.peak)&seqMask)
}

// Put is a content that arrived and was admitted (P-17).
type Put struct {
	Key        name.Key
	Seq        uint32        // 1 … 0xFFFFFE
	Body       []byte        // Content Name … MAC, as wire.Frame.Body; copied if kept
	Now        time.Duration // monotonic, since the node's start; never goes back
	Wall       int64         // Unix ms
	Face       uint32
	Producer   bool    // came from the name's producer face (P-17)
	Upstream   bool    // came unasked, or as the newest, from the face that is the name's way to its producer: it may open an epoch too (P-1)
	Covered    bool    // came through a live upstream subscription (P-16)
	ByNumber   bool    // came because its number was asked for: that does not show that it is the newest (P-15)
	NeverCache bool    // the name's class is never cached
	Mirrored   bool    // a copy for a mirror of what another node has admitted: neither the name's rate nor the face's share counts
	Share      float64 // part of Config.HourBytes that its face may store in an hour, and of MaxNames; at least a quarter (P-22)
}

// Outcome is what became of a content.
type Outcome struct {
	Verdict  Verdict
	Cause    Cause      // of NotKept
	Ext      uint64     // FSEQ extended to 64 bits, epoch<<24 | FSEQ; 0 of Suspect
	Newest   bool       // it is now the newest known of the name, stored or not
	Epoch    bool       // it opened a new epoch
	Released []Released // suspect frames admitted together with it, oldest first. Valid until the next call
}

// Released is a frame that was kept aside and is admitted now: to be forwarded before the one that released it.
type Released struct {
	Seq  uint32
	Ext  uint64
	Face uint32
	Body []byte
}

// NewShard makes a shard and loads the index of its Backend, if there is one.
func NewShard(cfg Config) *Shard {
	cfg.setDefaults()
	s := &Shard{cfg: cfg, rules: cfg.rules(), log: newLog(cfg.LogBytes)}
	s.saved = s.log.saveable()
	s.addEntry()
	s.suspects.limit = min(cfg.MaxSuspects, 1<<16-2)
	s.ids.seed, s.index.seed, s.fetching.seed, s.faces.bytes.seed = cfg.Seed, cfg.Seed, cfg.Seed, cfg.Seed
	s.brought.seed = cfg.Seed
	s.index.stale = func(at uint64) bool { return !s.log.holds(pos(at)) }
	for i := range s.rules {
		s.longest = max(s.longest, s.rules[i].Retention)
	}
	s.tick(cfg.Now, cfg.Wall)
	s.warned = s.now - time.Hour
	if cfg.Backend != nil {
		cfg.Backend.Load(s.notify, s.load)
	}
	return s
}

// Put takes a content: decides where it stands (P-1, P-17), whether it is kept (P-22), and keeps it. The outcome is good until the next
// Put.
func (s *Shard) Put(p *Put) *Outcome {
	s.tick(p.Now, p.Wall)
	s.out = Outcome{}
	if p.NeverCache {
		return s.notKept(NeverCached, firstEpoch|uint64(p.Seq), true)
	}
	id, e := s.lookup(p.Key)
	if e == nil && s.ids.n < s.cfg.MaxNames && s.overNames(p) && !s.forgetOne() {
		return s.notKept(FaceShare, firstEpoch|uint64(p.Seq), true)
	}
	if e == nil {
		id, e = s.intern(p)
	}
	if e == nil {
		return s.notKept(NamesFull, firstEpoch|uint64(p.Seq), true)
	}
	if e.top == 0 {
		e.top = firstEpoch | uint64(p.Seq)
		return s.admit(id, e, p, e.top, ahead)
	}
	ext, st := place(e.top, p.Seq)
	twin, clash := s.compare(id, e, p, ext)
	if twin != 0 {
		return s.duplicate(id, e, p, twin)
	}
	if (p.Producer || p.Upstream) && s.mayOpen(e, p, st, clash) {
		return s.putAside(id, e, p)
	}
	if clash {
		s.stats.Conflicts++
		s.event(ConflictSeen, p.Key, ext, p.Face)
		s.out.Verdict, s.out.Ext = Conflict, ext
		return &s.out
	}
	return s.admit(id, e, p, ext, st)
}

// mayOpen tells whether a content of the producer face, or of the way to it, is a candidate of a new epoch (P-1): a backward jump, other bytes
// under a stored number, or the number after such a one. A number that is ahead is believed at once, unless it completes a
// run: an honest newcomer must not wait because of one odd frame before it.
func (s *Shard) mayOpen(e *entry, p *Put, st step, clash bool) bool {
	if p.Producer && clash || st == back || st == late && clash { // other bytes under the newest number alone are no beginning, unless the producer itself says so
		return true
	}
	r := s.runOf(e)
	if !r.continuedBy(p) {
		return false
	}
	return clash || st == late || st == same || r.n+1 >= epochRun
}

// compare looks for stored contents with p's number: twin is the ext of a byte-identical one, in whatever epoch; clash
// tells that ext itself is taken by other bytes.
func (s *Shard) compare(id uint32, e *entry, p *Put, ext uint64) (twin uint64, clash bool) {
	const longestChain = 16 // epochs of one number in memory; a producer that opens more of them is rate-limited anyway
	at := uint64(0)
	if e.inMemory(p.Seq) {
		at, _ = s.index.get(indexKey(id, p.Seq))
	}
	for i := 0; i < longestChain && s.log.holds(pos(at)); i++ {
		r := s.log.at(pos(at))
		if bytes.Equal(r.body(), p.Body) {
			return r.ext(), false
		}
		clash = clash || r.ext() == ext
		at = uint64(r.prev())
	}
	if ext == e.newest && e.newestAt == 0 && e.safe {
		// Not in memory: its MAC says whether it is the same.
		if e.newestMAC == macOf(p.Body) {
			return ext, false
		}
		clash = true
	}
	return 0, clash
}

// duplicate answers for bytes that are here. A content that the disk refused is tried again: the producer that asks its own
// number back (P-13) got no answer, and sends it once more.
func (s *Shard) duplicate(id uint32, e *entry, p *Put, ext uint64) *Outcome {
	s.stats.Duplicates++
	if ext == e.newest {
		s.heardAgain(e, p)
	}
	if at, _ := s.index.get(indexKey(id, p.Seq)); s.log.holds(pos(at)) {
		r := s.log.at(pos(at))
		if r.is(failed) && r.ext() == ext && s.write(e, p, ext, s.rules[e.rule].Class) {
			r.set(r.flags()&^failed | queued)
			s.handed.push(handed{e.key, ext, pos(at), id})
		}
	}
	s.out.Verdict, s.out.Ext = Duplicate, ext
	return &s.out
}

// neverHeard is when a newest was heard of that only its number brought here.
const neverHeard = time.Duration(math.MinInt64 / 4)

// heardAgain notes that the newest came once more: whoever sent it says that it is the newest still (P-15). It does not keep it
// longer.
func (s *Shard) heardAgain(e *entry, p *Put) {
	if !p.ByNumber {
		e.newestHeard = p.Now
	}
	if p.Producer && e.newestAt != 0 {
		e.byProducer = true
		s.log.at(e.newestAt).setFace(p.Face)
	}
}

// admit takes a content that has its place in the order.
func (s *Shard) admit(id uint32, e *entry, p *Put, ext uint64, st step) *Outcome {
	out := &s.out
	out.Ext, out.Newest = ext, s.advance(e, p, ext, st)
	if out.Newest && (p.Producer || p.Upstream) {
		s.dropRun(e)
	}
	out.Cause = s.keep(id, e, p, ext)
	if out.Cause != NoCause {
		out.Verdict = NotKept
	} else if !out.Newest {
		s.stats.Late++
	}
	return out
}

// advance moves the newest on and reports what is worth it.
func (s *Shard) advance(e *entry, p *Put, ext uint64, st step) bool {
	before := e.top
	newest := e.advance(ext, st)
	if newest && ext>>seqBits > before>>seqBits {
		s.event(EpochWrapped, p.Key, ext, p.Face)
	}
	if newest && st == far {
		s.event(JumpConfirmed, p.Key, ext, p.Face)
	}
	return newest
}

func (s *Shard) notKept(c Cause, ext uint64, newest bool) *Outcome {
	s.stats.NotKept[c]++
	out := &s.out
	out.Verdict, out.Cause, out.Ext, out.Newest = NotKept, c, ext, newest
	return out
}

// keep stores a content, or says why it does not.
func (s *Shard) keep(id uint32, e *entry, p *Put, ext uint64) Cause {
	e.published = e.published || p.Producer
	rule := &s.rules[e.rule]
	size := recordSize(len(p.Body))
	cause := NoCause
	switch {
	case !p.Mirrored && e.overRate(rule, s.now):
		cause = Rate
	case !p.Mirrored && s.overShare(p, size):
		cause = FaceShare
	case rule.Class != Memory && !s.write(e, p, ext, rule.Class):
		cause = QueueFull
	}
	if cause != NoCause {
		s.stats.NotKept[cause]++
		s.rest(id, e)
		return cause
	}
	if !p.Mirrored {
		e.charge(rule, s.now)
		*s.faces.of(p.Face, s.now) += uint64(size)
	}
	s.store(id, e, p, ext, rule.Class)
	return NoCause
}

// write hands a content to the backend.
func (s *Shard) write(e *entry, p *Put, ext uint64, class Class) bool {
	w := &s.writing // of the shard, since what is handed to an interface would be allocated each time
	*w = Write{
		Key: p.Key, Ext: ext, Wall: p.Wall, Now: p.Now, Class: class, Producer: p.Producer, Body: p.Body, Published: e.published,
		Newest: e.newest, NewestAt: p.Wall - (p.Now - e.newestTime).Milliseconds(), NewestMAC: e.newestMAC, FromFirst: e.byProducer,
		Late: ext <= e.highest && ext >= e.lowest && s.onDisk(e) || ext < e.top && s.handedLeft(),
	}
	if ext <= e.top && ext >= e.newest {
		w.Newest, w.NewestAt, w.NewestMAC, w.FromFirst = ext, p.Wall, macOf(p.Body), p.Producer
	}
	return s.cfg.Backend.Write(w)
}

// handedLeft tells whether something that the Backend has not told of yet may have left memory: then a number that is not there may be on its way
// to the disk.
func (s *Shard) handedLeft() bool {
	q := &s.handed
	return q.first < q.end && !s.log.holds(q.slot(q.first).at)
}

// store puts the record into the log and the index.
func (s *Shard) store(id uint32, e *entry, p *Put, ext uint64, class Class) {
	flags := flag(p.Producer, fromProducer) | flag(p.Covered, covered) | flag(class != Memory, queued)
	at := s.append(id, e, p, ext, flags)
	if class != Memory {
		s.handed.push(handed{e.key, ext, at, id})
	}
	if e.lowest == 0 || ext < e.lowest {
		e.lowest = ext
	}
	if ext <= e.top && ext >= e.newest {
		e.newest, e.newestAt, e.newestTime, e.newestHeard = ext, at, p.Now, p.Now
		if p.ByNumber {
			e.newestHeard = neverHeard
		}
		e.newestMAC, e.byProducer, e.safe = macOf(p.Body), p.Producer, false
		s.stats.Newest++
	}
	s.stats.Stored++
}

// append makes room for a record, writes it and lets the index point to it.
func (s *Shard) append(id uint32, e *entry, p *Put, ext uint64, flags uint8) pos {
	e.join(ext) // before there is room: so that the name is not let go of
	s.wake(id, e)
	s.reserve(recordSize(len(p.Body)))
	at := s.log.end()
	prev := s.index.swap(indexKey(id, p.Seq), uint64(at))
	s.log.add(p.Body).init(ext, pos(prev), p.Now, id, p.Face, len(p.Body), flags)
	if head := s.log.open; p.Now > head.last {
		head.last = p.Now
	}
	s.records++
	return at
}

func flag(on bool, f uint8) uint8 {
	if on {
		return f
	}
	return 0
}

func indexKey(id, seq uint32) uint64 { return uint64(id)<<seqBits | uint64(seq) }

// macOf gives the last four bytes of a body.
func macOf(body []byte) uint32 {
	if len(body) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(body[len(body)-4:])
}

func (s *Shard) tick(now time.Duration, wall int64) {
	s.now = max(s.now, now)
	s.wall = wall
}
