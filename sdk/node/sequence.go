package node

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Numbers of P-12, and our own.
const (
	fetchWindow = 16                    // exact Interests under way at once (P-12)
	longGap     = 1000                  // beyond it a subscriber goes on from the oldest that there is (P-12)
	held        = 256                   // contents that wait for an earlier one or for a slow subscriber; beyond, they are fetched again
	maxMisses   = 60                    // tries in vain, up to 2 s apart, after which a number counts as lost, unless Config.Patience says more
	reorderSpan = 16                    // a number missing so near the newest
	reorderWait = 50 * time.Millisecond // … is given so long to come by itself: frames overtake one another
)

// Update is one step of a stream: a content, or a range of numbers that nobody has any more.
type Update struct {
	Content
	Lost     bool // From … To are lost; there is no content but its Name
	From, To uint32
	Anew     bool   // this content is the first of a new epoch: the producer's numbers have begun again lower (P-1)
	Missed   uint64 // of a wildcard: contents that did not fit since the update before, because Next was called too seldom
}

// sequence puts the numbers of one name in order: what P-12 asks of a subscriber, without clock, link or lock of its own. It holds
// at most held contents, whatever comes in.
//
// want is the next number to give and high the highest that is known to exist; what is missing between them is asked for.
// A number leaves that range when it is given, or joins the lost range in front of it.
type sequence struct {
	name    name.Name
	misses  int    // tries in vain after which a number counts as lost
	begun   bool   // want is known
	exactly bool   // 1, as the first number, is not the oldest there is but 1
	first   uint32 // of the stream; with fresh, nothing was given yet
	fresh   bool
	anew    bool // the next content begins an epoch

	want, high uint32             // high 0: none is known
	raised     time.Time          // when high rose
	came       time.Time          // of a stream that has not begun: when its first content came
	here       map[uint32]Content // numbers want … want+held-1
	gone       map[uint32]bool    // the same, of which we know that they are lost
	tries      map[uint32]*try
	lost       *Update // numbers before want that are lost and not reported yet

	given   memory
	back    []Content // perhaps the start of a new epoch
	search  *search
	patient uint32 // up to here a long gap has been looked at; 0: none was, or all of it is behind
}

// try is an exact Interest under way.
type try struct {
	next   time.Time     // when to ask (again)
	pause  time.Duration // after that
	from   int64         // no Interest of this try has a lower timestamp
	heard  uint64        // frames from the link at the last Interest
	told   bool          // a Return came since that is not final
	misses int
	count  int
}

// newSequence begins at a number, or Now: then begin says where.
func newSequence(nm name.Name, from uint32) *sequence {
	q := &sequence{name: nm, misses: maxMisses, begun: from != Now, first: from, want: from, fresh: true}
	q.empty()
	return q
}

func (q *sequence) empty() {
	q.here, q.gone, q.tries = map[uint32]Content{}, map[uint32]bool{}, map[uint32]*try{}
	q.search, q.patient = nil, 0
}

// begin says that the stream goes on behind a number.
func (q *sequence) begin(newest uint32) {
	q.begun, q.want, q.high = true, next(newest), newest
	q.first = q.want
}

// content puts a content where it belongs. What does not fit is fetched when its turn comes.
func (q *sequence) content(c Content, how origin, now time.Time) {
	if q.begun && q.fresh && !q.exactly && q.high == 0 && q.want == wire.SeqFirst && wire.Newer(q.want, c.Seq) {
		// From 1 means: from the oldest. More than 2^23 numbers further, 1 would count as later (RFC 1982), so begin as
		// far back as can be told.
		q.want = back(c.Seq, 1<<22)
	}
	if q.begun && wire.Newer(q.want, c.Seq) {
		q.behind(c, how)
		return
	}
	q.back = nil
	if q.high == 0 || wire.Newer(c.Seq, q.high) {
		q.high, q.raised = c.Seq, now
	}
	if q.search != nil {
		q.search.found(c.Seq)
	}
	_, same := q.given.has(c)
	switch {
	case same: // of a former epoch: the new one's is not there
		q.lose(c.Seq)
	case !q.begun:
		if len(q.here) == 0 {
			q.came = now
		}
		if len(q.here) < held {
			q.here[c.Seq] = c
		}
	case distance(q.want, c.Seq) < held && !q.gone[c.Seq]:
		q.here[c.Seq] = c
		delete(q.tries, c.Seq)
	}
}

// epochRun is how many contents begin a new epoch (P-1).
const epochRun = 3

// behind takes a number before want: one that was given already, or one of a new epoch. Three near each other begin a
// new one (P-1), unless they may be copies of old ones: the same bytes as were given, answers to somebody here who asks
// for old numbers, or stragglers from just before the stream was begun.
func (q *sequence) behind(c Content, how origin) {
	switch known, same := q.given.has(c); {
	case same:
		return
	case !known && (how != pushed || distance(c.Seq, q.want) <= 64):
		return
	}
	for _, b := range q.back {
		if b.Seq == c.Seq {
			return
		}
		if min(distance(b.Seq, c.Seq), distance(c.Seq, b.Seq)) > 64 {
			q.back = nil
			break
		}
	}
	if q.back = append(q.back, c); len(q.back) == epochRun {
		q.restart()
	}
}

// restart begins the stream anew with the lowest number of the epoch that was heard. What was missing of the old epoch is not waited for:
// the numbers now stand for other contents.
func (q *sequence) restart() {
	run := q.back
	q.back = nil
	q.empty()
	q.want, q.high = run[0].Seq, run[0].Seq
	for _, c := range run {
		q.here[c.Seq] = c
		if wire.Newer(q.want, c.Seq) {
			q.want = c.Seq
		}
		if wire.Newer(c.Seq, q.high) {
			q.high = c.Seq
		}
	}
	q.anew = true
}

// returned takes the Interest Return for a number that was asked for. Only reason 2 is final (P-12); the others count as a miss.
func (q *sequence) returned(seq uint32, r wire.Returned) {
	t := q.tries[seq]
	if t == nil || r.Asked.UnixMilli() < t.from {
		return
	}
	if t.told = true; r.Reason == wire.ReturnNotHere {
		q.lose(seq)
	}
}

// lose notes that a number is gone. During a search it is an answer for it and no more, so that want moves only over what was given.
func (q *sequence) lose(seq uint32) {
	delete(q.tries, seq)
	if q.search != nil {
		q.search.missing(seq)
		return
	}
	if _, had := q.here[seq]; !had && distance(q.want, seq) < held {
		q.gone[seq] = true
	}
	q.passGone()
}

// passGone moves want over what is gone, into the lost range.
func (q *sequence) passGone() {
	for q.begun && q.gone[q.want] {
		delete(q.gone, q.want)
		q.skip(q.want)
	}
}

// ready tells whether next has something.
func (q *sequence) ready() bool {
	_, here := q.here[q.want]
	return q.begun && (here || q.lost != nil && q.caughtUp())
}

// next gives the content that is next, or the range of lost numbers before it. Numbers that are lost one after the other
// make one range, which is given when something follows it, or nothing more is known to (P-12).
func (q *sequence) next() (u Update, ok bool) {
	switch {
	case !q.ready():
		return u, false
	case q.lost != nil:
		u, q.lost = *q.lost, nil
		return u, true
	}
	c := q.here[q.want]
	delete(q.here, c.Seq)
	delete(q.tries, c.Seq)
	q.given.add(c)
	q.want, q.fresh = next(c.Seq), false
	q.passGone()
	u = Update{Content: c, Anew: q.anew}
	q.anew = false
	return u, true
}

// position is the first number that was neither given nor told to be lost.
func (q *sequence) position() uint32 {
	if q.lost != nil {
		return q.lost.From
	}
	return q.want
}

// missed is how many numbers are known to exist that were not given.
func (q *sequence) missed() uint32 {
	if !q.begun || q.caughtUp() {
		return 0
	}
	return distance(q.want, q.high) + 1
}

// skip adds want … to to the lost range and goes on behind it.
func (q *sequence) skip(to uint32) {
	if q.lost == nil {
		q.lost = &Update{Content: Content{Name: q.name}, Lost: true, From: q.want}
		if q.fresh {
			q.lost.From = q.first
		}
	}
	q.lost.To, q.want, q.fresh = to, next(to), false
}

// caughtUp tells whether nothing is known to exist from want on.
func (q *sequence) caughtUp() bool { return q.high == 0 || wire.Newer(q.want, q.high) }

// busy tells whether there is something to ask for: due has work, now or at the time it gave.
func (q *sequence) busy() bool {
	return !q.begun && len(q.here) > 0 ||
		q.begun && !q.caughtUp() && int(distance(q.want, q.high)) >= len(q.here)
}

// due gives the numbers to ask for now, and how long until it must be asked again; 0: until something comes. from is a bound below the timestamps of
// the Interests that will be sent; heard counts frames from the link: silence of the whole link is not held against a number.
func (q *sequence) due(now time.Time, from int64, heard uint64) (asks []uint32, wait time.Duration) {
	if !q.begun && !q.settle(now) || q.caughtUp() {
		return nil, q.settling(now)
	}
	if q.search == nil && q.tooLong() {
		q.search = newSearch(q.want, distance(q.want, q.high))
	}
	if q.search != nil {
		return q.seek(now, from, heard)
	}
	return q.fetch(now, from, heard, q.missing())
}

// settle begins a stream of which nothing was known with the lowest number that came, once frames that its first one overtook are here. It is counted
// from the first: a producer that never pauses for so long is waited for no longer than others.
func (q *sequence) settle(now time.Time) bool {
	if len(q.here) == 0 || now.Sub(q.came) < reorderWait {
		return false
	}
	low := q.high
	for seq := range q.here {
		if wire.Newer(low, seq) {
			low = seq
		}
	}
	q.begun, q.want, q.first = true, low, low
	return true
}

// settling is how long settle waits.
func (q *sequence) settling(now time.Time) time.Duration {
	if q.begun || len(q.here) == 0 {
		return 0
	}
	return q.came.Add(reorderWait).Sub(now)
}

// missing gives up to fetchWindow numbers that are neither here nor gone (P-12).
func (q *sequence) missing() (list []uint32) {
	for seq, i := q.want, 0; i < held && len(list) < fetchWindow && !wire.Newer(seq, q.high); seq, i = next(seq), i+1 {
		if _, here := q.here[seq]; !here && !q.gone[seq] {
			list = append(list, seq)
		}
	}
	return list
}

// fetch asks for those of the numbers for which it is time.
func (q *sequence) fetch(now time.Time, from int64, heard uint64, missing []uint32) (asks []uint32, wait time.Duration) {
	for _, seq := range missing {
		t := q.tries[seq]
		if t == nil {
			t = &try{next: q.patience(seq, now), pause: askAgain, from: from}
			q.tries[seq] = t
		}
		switch {
		case now.Before(t.next):
			wait = sooner(wait, t.next.Sub(now))
			continue
		case t.inVain(heard, q.misses):
			q.lose(seq)
			wait = sooner(wait, time.Nanosecond) // the window has moved: look again
			continue
		}
		t.sent(now, heard)
		asks = append(asks, seq)
		wait = sooner(wait, t.next.Sub(now))
	}
	return asks, wait
}

// patience is when a number is asked for first.
func (q *sequence) patience(seq uint32, now time.Time) time.Time {
	if distance(seq, q.high) < reorderSpan {
		return q.raised.Add(reorderWait)
	}
	return now
}

// inVain counts the last Interest as a miss if something came from the link since, but not the answer, and tells whether that was
// one too many.
func (t *try) inVain(heard uint64, most int) bool {
	if t.count > 0 && (t.told || heard > t.heard) {
		t.misses++
	}
	return t.misses > most
}

func (t *try) sent(now time.Time, heard uint64) {
	t.count++
	t.told, t.heard = false, heard
	t.next = now.Add(t.pause)
	t.pause = min(2*t.pause, askMost)
}

// sooner is the shorter of two waits, where 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
