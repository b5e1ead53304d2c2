package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Times of a subscription.
const (
	subExpiry = 60 * time.Second // of each Interest; renewed at half, as forwarders do (P-16)
	subAgain  = time.Second      // each is sent twice, so far apart, since nothing confirms a subscription …
	subTries  = 5                // … and up to so often while nothing at all is heard of the name
	baseWait  = 3 * time.Second  // for the newest that shows where now is
)

// Now, as the start of a subscription, means: what is published from now on.
const Now uint32 = 0

// Subscription gives every content of a name from a number on, in order and exactly once, and says which numbers are lost (P-12).
// A wildcard's gives what comes, each content once, without an order over names; what is lost on the way is not missed.
type Subscription struct {
	n      *Node
	name   name.Name
	closed chan struct{} // by Close
	once   sync.Once
	work   chan struct{} // something to do for the goroutine
	news   chan struct{} // something to give for Next

	mu       sync.Mutex // never held together with Node.mu
	seq      *sequence  // nil for a wildcard
	wild     *crowd     // nil for a name
	base     *base      // nil: the stream has begun, or begins with what comes first
	renew    time.Time
	sent     int  // how often this renewal was sent
	answered bool // its newest was answered
	refused  *ReturnError
}

// base is the question what the newest is, asked before the subscription is opened: what comes then cannot be mistaken for
// something that was published since.
type base struct {
	since, next time.Time
	from        int64 // no Interest of ours has a lower timestamp
	heard       uint64
}

// Subscribe opens a subscription. from is the first number wanted, or Now. 1 is taken for the oldest that there is. It stands, and
// is renewed, until Close, whether Next is called or not; it holds a few hundred contents at most and fetches the others when
// their turn comes. wildcard says that the name is a pattern (P-5); then from is Now.
func (n *Node) Subscribe(nm name.Name, from uint32, wildcard bool) (*Subscription, error) {
	return n.subscribe(nm, from, wildcard, false)
}

// Resume is Subscribe for who goes on where another subscription was: position is what its Position said, and is taken as it is, 1 too.
func (n *Node) Resume(nm name.Name, position uint32) (*Subscription, error) {
	if err := checkSeq(position); err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	return n.subscribe(nm, position, false, true)
}

func (n *Node) subscribe(nm name.Name, from uint32, wildcard, exactly bool) (*Subscription, error) {
	switch {
	case from > wire.SeqLast:
		return nil, fmt.Errorf("subscription from number %d: want at most %d, or Now", from, wire.SeqLast)
	case wildcard && from != Now:
		return nil, fmt.Errorf("wildcard subscription from number %d: want Now, its names have their own numbers each", from)
	}
	s := &Subscription{
		n: n, name: nm, closed: make(chan struct{}), work: make(chan struct{}, 1), news: make(chan struct{}, 1),
	}
	switch {
	case wildcard:
		s.wild = &crowd{}
	default:
		s.seq = newSequence(nm, from)
		s.seq.exactly, s.seq.misses = exactly, n.misses
		if from == Now {
			s.base = &base{}
		}
	}
	if err := n.enlist(s); err != nil {
		return nil, err
	}
	go s.run()
	return s, nil
}

// enlist and delist copy the lists: the reader walks them without the mutex.
func (n *Node) enlist(s *Subscription) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.ended() {
		return ErrClosed
	}
	if s.wild != nil {
		n.wild = append(slices.Clone(n.wild), s)
	} else {
		n.subs[s.name] = append(slices.Clone(n.subs[s.name]), s)
	}
	n.pumps.Add(1)
	return nil
}

func (n *Node) delist(s *Subscription) {
	n.mu.Lock()
	defer n.mu.Unlock()
	without := func(list []*Subscription) []*Subscription {
		return slices.DeleteFunc(slices.Clone(list), func(other *Subscription) bool { return other == s })
	}
	n.wild = without(n.wild)
	if n.subs[s.name] = without(n.subs[s.name]); len(n.subs[s.name]) == 0 {
		delete(n.subs, s.name)
	}
}

// Close ends the subscription here; the forwarder's ends with its expiry. It may be called more than once.
func (s *Subscription) Close() {
	s.once.Do(func() {
		s.n.delist(s)
		close(s.closed)
	})
}

// Next gives the next update, waiting for it until the context ends. Only one goroutine may call it. A *ReturnError says that
// the forwarder refuses the subscription; it is tried again all the same, and Next may be called again. ErrClosed: Close was
// called, or the node has ended and everything that came before is given.
func (s *Subscription) Next(ctx context.Context) (Update, error) {
	for {
		select {
		case <-s.closed:
			return Update{}, ErrClosed
		default:
		}
		ended := s.n.isDone() // before the look: what came before the end is given
		u, ok, err := s.take()
		switch {
		case ok || err != nil:
			return u, err
		case ended:
			return Update{}, ErrClosed
		}
		select {
		case <-ctx.Done():
			return Update{}, ctx.Err()
		case <-s.closed:
		case <-s.n.done:
		case <-s.news:
		}
	}
}

// Position is the number behind all that Next has given: what Resume goes on with. It is not known (false) before the stream has begun: a
// subscription from Now begins when the newest is known, or with what comes first. A wildcard's has none.
func (s *Subscription) Position() (next uint32, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seq == nil || s.base != nil || !s.seq.begun {
		return 0, false
	}
	return s.seq.position(), true
}

// Behind is how many numbers are known to exist that Next has not given yet.
func (s *Subscription) Behind() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seq == nil {
		return 0
	}
	return s.seq.missed()
}

// take gives what is ready.
func (s *Subscription) take() (u Update, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.wild != nil:
		u, ok = s.wild.next()
	default:
		if u, ok = s.seq.next(); ok && s.seq.busy() { // the window has moved
			signal(s.work)
		}
	}
	if ret := s.refused; !ok && ret != nil {
		s.refused = nil
		return u, false, ret
	}
	return u, ok, nil
}

// heard takes a content from the reader. It never blocks.
func (s *Subscription) heard(c Content, how origin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = true
	switch {
	case s.base == nil:
		s.seq.content(c, how, c.Received)
	case how.mayBeNewest() && s.base.from != 0:
		s.seq.begin(c.Seq)
		s.base = nil
	default:
		return
	}
	s.tell()
	if s.renew.IsZero() || s.seq.busy() {
		signal(s.work)
	}
}

// heardWild takes a content of a name that the pattern matches.
func (s *Subscription) heardWild(c Content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wild.add(c)
	signal(s.news)
}

// returned takes an Interest Return from the reader.
func (s *Subscription) returned(a ask, r wire.Returned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case a.seq == wire.SeqSubscribe && r.Reason == wire.ReturnRefused: // the only one that a subscription gets (P-6)
		s.refused = &ReturnError{a.name, a.seq, r.Reason, r.Node}
	case a.seq == wire.SeqNewest:
		if r.Reason == wire.ReturnNotHere || r.Reason == wire.ReturnRefused { // after any other it is asked again soon, not at the renewal
			s.answered = true
		}
		if b := s.base; b != nil && b.from != 0 && r.Asked.UnixMilli() >= b.from && final(r.Reason) {
			s.base = nil // nothing is known yet: the stream begins with what comes first
		}
	case s.seq != nil:
		s.seq.returned(a.seq, r)
	}
	s.tell()
	signal(s.work)
}

// tell wakes Next if there is something for it. The caller holds the mutex.
func (s *Subscription) tell() {
	if s.refused != nil || s.seq != nil && s.seq.ready() {
		signal(s.news)
	}
}

// run asks for what is due until the subscription or the node ends.
func (s *Subscription) run() {
	defer s.n.pumps.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.closed:
			return
		case <-s.n.done:
			return
		case <-s.work:
		case <-timer.C:
		}
		asks, wait := s.due(time.Now())
		for _, seq := range asks {
			expiry := askExpiry
			if seq == wire.SeqSubscribe {
				expiry = subExpiry
			}
			_ = s.n.sendInterest(ask{s.name, seq}, wire.MaxTTL, expiry, nil) // it is asked again; a dead link ends the loop
		}
		timer.Reset(wait)
	}
}

// due gives what to ask for now, as values of FSEQ, and how long until there is more.
func (s *Subscription) due(now time.Time) (asks []uint32, wait time.Duration) {
	from, heard := s.n.nextStamp(), s.n.received.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base != nil {
		if wait, ask := s.base.due(now, from, heard); ask {
			return []uint32{wire.SeqNewest}, wait
		} else if wait > 0 {
			return nil, wait
		}
		s.base = nil
	}
	if s.seq != nil {
		asks, wait = s.seq.due(now, from, heard)
		s.tell() // it may have given up a number
	}
	if !now.Before(s.renew) {
		asks = append(s.open(now), asks...)
	}
	return asks, sooner(wait, s.renew.Sub(now))
}

// open opens the subscription or renews it. Each time the newest is asked as well, which shows a lost tail (P-16).
func (s *Subscription) open(now time.Time) []uint32 {
	s.sent++
	s.renew = now.Add(subAgain)
	if s.sent == subTries || s.sent > 1 && (s.answered || s.wild != nil) {
		s.renew = now.Add(subExpiry/2 - time.Duration(s.sent-1)*subAgain)
		s.sent, s.answered = 0, false
	}
	if s.wild != nil {
		return []uint32{wire.SeqSubscribe}
	}
	return []uint32{wire.SeqSubscribe, wire.SeqNewest}
}

// due tells whether to ask now, or how long to wait; neither: nobody answers although the link is alive, so do without.
func (b *base) due(now time.Time, from int64, heard uint64) (wait time.Duration, ask bool) {
	if b.from == 0 {
		b.from, b.since, b.heard = from, now, heard
	}
	switch {
	case now.Before(b.next):
		return b.next.Sub(now), false
	case heard > b.heard && now.Sub(b.since) >= baseWait:
		return 0, false
	}
	wait = askAgain // often at first: what is published before the answer comes is not seen
	if now.Sub(b.since) >= baseWait {
		wait = askMost
	}
	b.next = now.Add(wait)
	return wait, true
}

// signal wakes who waits on a channel of one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (n *Node) isDone() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}
