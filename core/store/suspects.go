package store

import (
	"bytes"
	"slices"
	"time"
)

// Frames kept aside until they have shown that they begin a new epoch (P-1): at most two for each name, since the third
// opens it, and a bounded number of names. Where the disk must be asked whether it has the same bytes, up to maxRun wait.
const maxRun = 8

// suspects is the pool of runs. A run keeps its buffers when it is given back.
type suspects struct {
	slots []run
	free  []uint16
	limit int
}

// run is consecutive frames of one name, each of which may be the beginning of a new epoch.
type run struct {
	entry   uint32 // 0: the slot is free
	n       int
	frames  [maxRun]aside
	touched time.Duration
}

// aside is one frame kept aside.
type aside struct {
	put   Put
	body  []byte
	asked bool // whether the disk has the same bytes, and it has not answered
}

func (a *aside) set(p *Put, asked bool) {
	a.body = append(a.body[:0], p.Body...)
	a.put = *p
	a.put.Body = a.body
	a.asked = asked
}

func (r *run) lastSeq() uint32 { return r.frames[r.n-1].put.Seq }

// continuedBy tells whether p is the next number of the run.
func (r *run) continuedBy(p *Put) bool { return r != nil && p.Seq == following(r.lastSeq()) }

// repeats tells whether p is the run's last frame once more.
func (r *run) repeats(p *Put) bool {
	return r != nil && p.Seq == r.lastSeq() && bytes.Equal(p.Body, r.frames[r.n-1].body)
}

func (r *run) add(p *Put, asked bool) {
	r.frames[r.n].set(p, asked)
	r.n++
	r.touched = p.Now
}

// waits tells whether an answer of the disk is missing.
func (r *run) waits() bool {
	return slices.ContainsFunc(r.frames[:r.n], func(a aside) bool { return a.asked })
}

// answered notes the disk's answer; false if it was not asked on behalf of this run but of one that is gone.
func (r *run) answered(c *Completion) bool {
	for i := range r.n {
		if f := &r.frames[i]; f.asked && f.put.Seq == c.Seq && macOf(f.body) == c.MAC {
			f.asked = false
			return true
		}
	}
	return false
}

// runOf gives the run of e, or nil. One that was not continued in time is let go of.
func (s *Shard) runOf(e *entry) *run {
	if e.run == 0 {
		return nil
	}
	r := &s.suspects.slots[e.run-1]
	if s.now-r.touched > s.cfg.SuspectHold {
		s.dropRun(e)
		return nil
	}
	return r
}

// newRun gives e an empty run. If all are taken, the one that waits longest is let go of.
func (s *Shard) newRun(id uint32, e *entry) *run {
	s.dropRun(e)
	pool := &s.suspects
	if len(pool.free) == 0 && len(pool.slots) < pool.limit {
		pool.slots = append(pool.slots, run{})
		pool.free = append(pool.free, uint16(len(pool.slots)-1))
	}
	if len(pool.free) == 0 {
		s.dropRun(s.entry(pool.oldest()))
	}
	i := pool.free[len(pool.free)-1]
	pool.free = pool.free[:len(pool.free)-1]
	r := &pool.slots[i]
	r.entry = id
	e.run = i + 1
	return r
}

// oldest gives the entry whose run was touched first. Only asked when the pool is full, and the pool is small.
func (p *suspects) oldest() uint32 {
	best := 0
	for i := range p.slots {
		if p.slots[i].touched < p.slots[best].touched {
			best = i
		}
	}
	return p.slots[best].entry
}

// endRun gives the run of e back; its frames stay readable until the next run is begun.
func (s *Shard) endRun(e *entry) {
	if e.run == 0 {
		return
	}
	r := &s.suspects.slots[e.run-1]
	r.entry, r.n = 0, 0
	s.suspects.free = append(s.suspects.free, e.run-1)
	e.run = 0
}

// dropRun lets go of what is kept aside for e.
func (s *Shard) dropRun(e *entry) {
	if e.run == 0 {
		return
	}
	s.stats.SuspectsLost += uint64(s.suspects.slots[e.run-1].n)
	s.endRun(e)
}

// putAside takes p as a candidate of a new epoch, or opens the epoch if p is the last that it takes (P-1).
func (s *Shard) putAside(id uint32, e *entry, p *Put) *Outcome {
	s.out.Verdict = Suspect
	r := s.runOf(e)
	if r.repeats(p) {
		return &s.out
	}
	if !r.continuedBy(p) || r.n == maxRun {
		r = s.newRun(id, e)
	}
	asked, refused := s.askDisk(e, p)
	if refused {
		// Without the disk's answer nothing is believed: the run begins again with what comes next.
		s.dropRun(e)
		return &s.out
	}
	if r.n+1 >= epochRun && !asked && !r.waits() {
		return s.openEpoch(id, e, r, p)
	}
	r.add(p, asked)
	s.stats.Suspects++
	return &s.out
}

// askDisk asks the backend whether it holds the same bytes, if it may hold the number at all. refused: its queue is full.
func (s *Shard) askDisk(e *entry, p *Put) (asked, refused bool) {
	if !s.mayBeOnDisk(e, p.Seq) {
		return false, false
	}
	ext, _ := extOnDisk(e.highest, e.lowest, p.Seq)
	if !s.cfg.Backend.Read(&Read{Key: p.Key, Seq: p.Seq, Ext: ext, Lowest: e.lowest, Check: p.Body}) {
		return false, true
	}
	e.pins++
	return true, false
}

// openEpoch admits the frames of r and then p as the first of a new epoch.
func (s *Shard) openEpoch(id uint32, e *entry, r *run, p *Put) *Outcome {
	ext := s.beginEpoch(id, e, r)
	ext = followingExt(ext)
	e.top = ext
	out := &s.out
	out.Verdict, out.Ext, out.Newest, out.Epoch, out.Released = Stored, ext, true, true, s.released
	out.Cause = s.keep(id, e, p, ext)
	if out.Cause != NoCause {
		out.Verdict = NotKept
	}
	s.endRun(e)
	return out
}

// beginEpoch admits the frames of r, leaves them in s.released and gives the last one's ext.
func (s *Shard) beginEpoch(id uint32, e *entry, r *run) uint64 {
	s.released = s.released[:0]
	ext := e.top&^seqMask + 1<<seqBits + uint64(r.frames[0].put.Seq)
	s.stats.Epochs++
	s.event(EpochOpened, e.key, ext, r.frames[0].put.Face)
	e.jump, e.jumps = 0, 0
	for i := range r.n {
		f := &r.frames[i]
		if i > 0 {
			ext = followingExt(ext)
		}
		e.top = ext
		s.keep(id, e, &f.put, ext)
		s.released = append(s.released, Released{Seq: f.put.Seq, Ext: ext, Face: f.put.Face, Body: f.body})
	}
	return ext
}

// checked takes the disk's answer for a candidate: the same bytes are there, and the run is an old one replayed; or they
// are not, and when it was the last question the epoch is opened.
func (s *Shard) checked(c *Completion, yield func(Result)) {
	id, e := s.lookup(c.Key)
	if e == nil {
		return
	}
	e.pins--
	r := s.runOf(e)
	if r == nil || !r.answered(c) {
		return
	}
	if c.Same {
		s.dropRun(e)
		return
	}
	if r.n < epochRun || r.waits() {
		return
	}
	s.beginEpoch(id, e, r)
	s.endRun(e)
	for i, f := range s.released {
		yield(Result{Done: DoneOpened, Key: c.Key, Seq: f.Seq, Asked: f.Seq, Ext: f.Ext, Body: f.Body, Face: f.Face, Epoch: i == 0})
	}
}
