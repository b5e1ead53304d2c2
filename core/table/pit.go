package table

import (
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// PITKey identifies a pending Interest: a Content Name (of a network) and an FSEQ; 0 is the newest. Subscriptions are
// not pending Interests, since nothing consumes them (P-16): see [Subs].
type PITKey struct {
	Name name.Key
	Seq  uint32
}

// In is an in-record: an asker that waits for content. It keeps what a Return must carry back (P-6) and what the same
// Interest needs to be sent on later with the bytes as they came.
type In struct {
	Face     FaceID
	Arrived  time.Duration
	Deadline time.Duration // from arrival here (P-3)
	Tried    time.Duration // when the strategy was last asked for this record (P-2a)
	Asked    wire.Asked
	HasAsked bool // false: the Interest had no payload
	Public   bool // under the public key (P-9)
	Capped   bool // its expiry was longer than the longest honoured
	Sent     bool // its bytes went on to some face
	Told     bool // it has had a Return: a wildcard's entry outlives one (P-5)
	FHDR     byte
	FCTRL    byte
	Signal   int16 // dBm of the frame, as the link has it
	MAC      [wire.MACSize]byte

	Answers *atomic.Int32 // of all workers' stores to a wildcard (P-5); nil for other Interests
}

// Timed tells whether the Interest can be recognised when it comes again (P-2a).
func (r *In) Timed() bool { return r.HasAsked && r.Asked.UnixMilli() != 0 }

// Out is an out-record: a face that was asked, and with which bytes.
type Out struct {
	Face     FaceID
	Sent     time.Duration
	Deadline time.Duration
	Asked    wire.Asked
	Returned wire.ReturnReason // 0: not returned
	Node     uint32            // that returned it; 0: this one
	Held     bool              // waits for the sleeper's next frame (P-8)
	Again    bool              // it was asked more than once, so no answer tells how long one takes (RFC 6298, 3: Karn)
	Answered bool              // the content came from here
}

// Entry is a pending Interest.
type Entry struct {
	Key      PITKey
	ID       int32 // its handle for timers; 0 once it was removed, until the place is used again
	Ins      []In
	Outs     []Out
	Timer    TimerID
	Fallback time.Duration // when the stored newest is sent if nothing newer came (P-15), or a producer's silence is an answer (P-6); 0: never
	Alarm    time.Duration // when the strategy wants to look at it again; 0: not
	Waiting  bool          // for the store: a commit (P-13) or a read from disk
	Alarms   uint8         // how often it has set one
	mask     uint8         // wildcards of the name (P-5)
	mark     uint32        // of Key in the index
	Needs    uint16        // what the strategy that decided wants to know of it: the forwarder's
	scratch  int32         // the strategy's block; 0: none
	Wild     *Wild         // of a wildcard name only (P-5)

	// Where Ins and Outs begin: most Interests have one asker and one or two faces that are asked, and so take no memory of
	// their own.
	in0  [2]In
	out0 [2]Out
}

// Wild is what a wildcard entry remembers: which name was sent to which face, since each is answered once (P-5).
type Wild struct {
	Answered map[WildAnswer]struct{}
	Walks    map[FaceID]Walk
}

// Walk is how far the store's answers to a face have come: each of its Interests gets a limited number of them, and the next one those
// that follow (P-5).
type Walk struct {
	From, To name.Key // behind From the present Interest's began, behind To the next one's will; 0: at the first name
}

// Anew lets the next Interest of a face have names once more that it has had, beginning where the one before came to: where this one began if other workers'
// answers were all that it got.
func (w *Wild) Anew(face FaceID) {
	w.forget(face)
	at := w.Walks[face].To
	w.Walks[face] = Walk{From: at, To: at}
}

// leave lets go of what a face has had that asks no more: others have the room.
func (w *Wild) leave(face FaceID) {
	w.forget(face)
	delete(w.Walks, face)
}

// Reached notes how far the answers to a face's present Interest have come.
func (w *Wild) Reached(face FaceID, to name.Key) {
	w.Walks[face] = Walk{From: w.Walks[face].From, To: to}
}

// WildAnswer is one name that one face has had.
type WildAnswer struct {
	Face FaceID
	Name name.Key
}

// MaxWildAnswers bounds what one wildcard entry remembers; beyond it nothing more is sent for it.
const MaxWildAnswers = 1024

// Once notes an answer and tells whether it is the first, and there is room to remember it.
func (w *Wild) Once(face FaceID, k name.Key) bool {
	a := WildAnswer{face, k}
	if _, had := w.Answered[a]; had || len(w.Answered) >= MaxWildAnswers {
		return false
	}
	w.Answered[a] = struct{}{}
	return true
}

func (w *Wild) forget(face FaceID) {
	for a := range w.Answered {
		if a.Face == face {
			delete(w.Answered, a)
		}
	}
}

// In finds the in-record of a face.
func (e *Entry) In(face FaceID) *In {
	for i := range e.Ins {
		if e.Ins[i].Face == face {
			return &e.Ins[i]
		}
	}
	return nil
}

// Out finds the out-record of a face.
func (e *Entry) Out(face FaceID) *Out {
	for i := range e.Outs {
		if e.Outs[i].Face == face {
			return &e.Outs[i]
		}
	}
	return nil
}

// Asks tells whether face was asked and may still answer: what makes a Content solicited (P-17). A face that has returned
// the Interest may still send the content afterwards.
func (e *Entry) Asks(face FaceID) bool { return e != nil && e.Out(face) != nil }

// Upsert gives the out-record of a face, a new one if there is none.
func (e *Entry) Upsert(face FaceID) *Out {
	if o := e.Out(face); o != nil {
		return o
	}
	e.Outs = append(e.Outs, Out{})
	o := &e.Outs[len(e.Outs)-1]
	o.Face = face
	return o
}

// Live tells whether some face other than except was asked and has neither returned the Interest nor run out.
func (e *Entry) Live(now time.Duration, except FaceID) bool {
	for i := range e.Outs {
		if o := &e.Outs[i]; o.Face != except && o.Returned == 0 && o.Deadline > now {
			return true
		}
	}
	return false
}

// Longest is the in-record that waits longest, nil if there is none.
func (e *Entry) Longest() *In {
	var best *In
	for i := range e.Ins {
		if best == nil || e.Ins[i].Deadline > best.Deadline {
			best = &e.Ins[i]
		}
	}
	return best
}

// PIT is the Pending Interest Table of a worker. It counts in-records: a limit for all and a share for each face (P-22). When it is
// full the newcomer is refused; nothing that waits is evicted, since its asker was promised an answer or a Return.
type PIT struct {
	index *Map[PITKey, int32]
	slab  *Slab[Entry]
	notes *Slab[PendingScratch] // blocks of strategies, of the entries that have one
	quota *Quota
	masks [64]int // wildcard entries by name.Mask (P-5)
	wilds int
	limit int    // of wildcard entries
	last  PITKey // that was looked for, and its mark in the index: what is not there is mostly put there
	mark  uint32

	newests int // entries that ask for the newest: none, as a rule, and every Content looks for one
}

// NewPIT makes a table whose in-records are counted by quota and which has at most wilds wildcard entries.
func NewPIT(seed Seed, quota *Quota, wilds int) *PIT {
	return &PIT{
		index: NewMap[PITKey, int32](func(k PITKey) uint64 { return seed.Key(k.Name, uint64(k.Seq)) }),
		slab:  NewSlab[Entry](),
		notes: NewSlab[PendingScratch](),
		quota: quota,
		limit: wilds,
	}
}

// Find gives the entry of a key, or nil.
func (p *PIT) Find(k PITKey) *Entry {
	if k.Seq == wire.SeqNewest && p.newests == 0 {
		return nil
	}
	p.last, p.mark = k, p.index.mark(k)
	i := p.index.at(k, p.mark)
	if i == nil {
		return nil
	}
	return p.slab.At(*i)
}

// At gives the entry of a handle.
func (p *PIT) At(id int32) *Entry { return p.slab.At(id) }

// Insert makes an empty entry for a key that has none. mask is the wildcard positions of the name (0: none); nil means
// that the wildcard entries are at their limit.
func (p *PIT) Insert(k PITKey, mask uint8) *Entry {
	if mask != 0 && p.wilds >= p.limit {
		return nil
	}
	i := p.slab.Alloc()
	e := p.slab.At(i)
	e.Key, e.ID, e.Ins, e.Outs = k, i, e.in0[:0], e.out0[:0]
	if mask != 0 {
		e.Wild = &Wild{Answered: map[WildAnswer]struct{}{}, Walks: map[FaceID]Walk{}}
		p.wilds++
		p.masks[mask&63]++
	}
	if k.Seq == wire.SeqNewest {
		p.newests++
	}
	if e.mask, e.mark = mask, p.mark; p.last != k || p.mark == 0 { // 0: nothing was looked for yet
		e.mark = p.index.mark(k)
	}
	p.index.put(k, e.mark, i)
	return e
}

// AddIn adds an in-record for a face that has none in e; nil when the table or the face's share is full (P-22).
func (p *PIT) AddIn(e *Entry, face FaceID) *In {
	if !p.quota.Take(face) {
		return nil
	}
	e.Ins = append(e.Ins, In{})
	in := &e.Ins[len(e.Ins)-1]
	in.Face = face
	return in
}

// RemoveIn takes the i-th in-record out of e; the order of the others changes.
func (p *PIT) RemoveIn(e *Entry, i int) {
	p.quota.Give(e.Ins[i].Face)
	if e.Wild != nil {
		e.Wild.leave(e.Ins[i].Face)
	}
	last := len(e.Ins) - 1
	e.Ins[i] = e.Ins[last]
	e.Ins = e.Ins[:last]
}

// Remove takes the entry out. The caller cancels its timer.
func (p *PIT) Remove(e *Entry) {
	for i := range e.Ins {
		p.quota.Give(e.Ins[i].Face)
	}
	if e.mask != 0 {
		p.wilds--
		p.masks[e.mask&63]--
	}
	if e.scratch != 0 {
		p.notes.Free(e.scratch)
	}
	if e.Key.Seq == wire.SeqNewest {
		p.newests--
	}
	p.index.remove(e.Key, e.mark)
	p.slab.Free(e.ID)
}

// Scratched gives the block that a strategy keeps of an entry; nil if it has none, or it is another strategy's.
func (p *PIT) Scratched(e *Entry, owner uint32) *PendingScratch {
	if e.scratch == 0 || p.notes.At(e.scratch).Owner != owner {
		return nil
	}
	return p.notes.At(e.scratch)
}

// Scratch gives the block that a strategy keeps of an entry, zeroed if it had none or it was another strategy's. It ends with the
// entry.
func (p *PIT) Scratch(e *Entry, owner uint32) *PendingScratch {
	if e.scratch == 0 {
		e.scratch = p.notes.Alloc()
		p.notes.At(e.scratch).Owner = owner
	}
	s := p.notes.At(e.scratch)
	if s.Owner != owner {
		*s = PendingScratch{Owner: owner}
	}
	return s
}

// Scratches is the number of entries that have such a block.
func (p *PIT) Scratches() int { return p.notes.Len() }

// Masks calls fn with each set of wildcard positions of which an entry exists.
func (p *PIT) Masks(fn func(mask uint8)) {
	if p.wilds == 0 {
		return
	}
	for m, n := range p.masks {
		if n > 0 {
			fn(uint8(m))
		}
	}
}

// Wilds is the number of wildcard entries.
func (p *PIT) Wilds() int { return p.wilds }

// Len is the number of entries.
func (p *PIT) Len() int { return p.index.Len() }

// Quota counts the in-records by face.
func (p *PIT) Quota() *Quota { return p.quota }

// Records is the number of in-records.
func (p *PIT) Records() int { return p.quota.Total() }

// All calls fn with every entry until it returns false. fn must not change the table.
func (p *PIT) All(fn func(*Entry) bool) {
	for _, i := range p.index.All() {
		if !fn(p.slab.At(i)) {
			return
		}
	}
}
