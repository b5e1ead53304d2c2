package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Numbers of P-12, and our own.
const (
	fetchWindow = 16                     // exact Interests under way at once (P-12)
	longGap     = 1000                   // beyond it a subscriber goes on from the oldest that there is (P-12)
	held        = 256                    // contents that wait for an earlier one or for a slow subscriber; beyond, they are fetched again
	subExpiry   = 60 * time.Second       // of each subscription; renewed at half
	baseWait    = 300 * time.Millisecond // for the newest that shows where now is
	maxMisses   = 20                     // unanswered tries after which a number counts as lost
)

// Now, as the start of a subscription, means: what is published from now on.
const Now uint32 = 0

// Update is one step of a stream: a content, or a range of numbers that nobody has any more.
type Update struct {
	Content
	Lost     bool // From … To are lost; there is no content
	From, To uint32
}

// Subscription gives every content of a name from a number on, in order and exactly once (P-12).
type Subscription struct {
	n    *Node
	name name.Name
	wild bool // no order over names: contents as they come, each once

	mu      sync.Mutex
	signal  chan struct{}
	started bool               // want is known
	want    uint32             // the next number to give
	high    uint32             // the highest that is known to exist; 0: none
	waiting map[uint32]Content // numbers want … want+held-1 that are here
	lost    map[uint32]bool    // the same, of which we know that they are gone
	tries   map[uint32]*try
	back    backRun
	queue   []Content // of a wildcard
	missed  uint64    // of a wildcard: pushed out by newer ones
	seen    map[ask]struct{}
	renew   time.Time
	asking  bool    // findBase is under way
	based   bool    // and has ended
	gap     *Update // numbers that a long gap has cost
	patient uint32  // up to here a long gap has been looked at
}

// try is an exact Interest under way.
type try struct {
	next  time.Time
	count int
}

// backRun counts consecutive numbers far behind: a producer that has lost its counter (P-1).
type backRun struct {
	contents []Content
}

// Subscribe opens a subscription. from is the first number wanted, or Now. It stands until Close.
func (n *Node) Subscribe(nm name.Name, from uint32, wildcard bool) (*Subscription, error) {
	if wildcard && from != Now {
		return nil, errors.New("a wildcard subscription has no number to begin with: its names have each their own")
	}
	s := &Subscription{
		n: n, name: nm, wild: wildcard, signal: make(chan struct{}, 1), want: from, started: from != Now,
		waiting: map[uint32]Content{}, lost: map[uint32]bool{}, tries: map[uint32]*try{}, seen: map[ask]struct{}{},
	}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil, ErrClosed
	}
	n.subs[s] = struct{}{}
	n.mu.Unlock()
	return s, nil
}

// Close ends the subscription here; the forwarder's ends with its expiry.
func (s *Subscription) Close() {
	s.n.mu.Lock()
	delete(s.n.subs, s)
	s.n.mu.Unlock()
}

// heard takes a frame from the link. It never blocks: what does not fit is fetched again when its turn comes.
func (s *Subscription) heard(f wire.Frame) {
	if s.wild {
		s.heardWild(f)
		return
	}
	if f.Name != s.name {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accept(contentOf(&f))
	s.wake()
}

func (s *Subscription) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// accept puts a content where it belongs.
func (s *Subscription) accept(c Content) {
	if s.high == 0 || wire.Newer(c.Seq, s.high) {
		s.high = c.Seq
	}
	if !s.started { // kept until it is known where now is
		if len(s.waiting) < held {
			s.waiting[c.Seq] = c
		}
		return
	}
	if wire.Newer(s.want, c.Seq) {
		s.behind(c)
		return
	}
	s.back.contents = nil
	if distance(s.want, c.Seq) < held {
		s.waiting[c.Seq] = c
	}
}

// behind takes a number that was given already, or that belongs to a new epoch: three consecutive ones more than 64 behind begin the
// stream anew (P-1).
func (s *Subscription) behind(c Content) {
	if distance(c.Seq, s.want) <= 64 {
		return
	}
	if r := s.back.contents; len(r) > 0 && c.Seq != next(r[len(r)-1].Seq) {
		if c.Seq == r[len(r)-1].Seq {
			return
		}
		s.back.contents = nil
	}
	if s.back.contents = append(s.back.contents, c); len(s.back.contents) < 3 {
		return
	}
	run := s.back.contents
	s.back.contents = nil
	s.want, s.high = run[0].Seq, c.Seq
	s.waiting, s.lost, s.tries = map[uint32]Content{}, map[uint32]bool{}, map[uint32]*try{}
	for _, kept := range run {
		s.waiting[kept.Seq] = kept
	}
}

// heardWild takes a content of a name that the pattern matches; each once. The forwarder has matched already.
func (s *Subscription) heardWild(f wire.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := ask{f.Name, f.Seq}
	if _, had := s.seen[key]; had {
		return
	}
	if len(s.seen) > 16*held {
		clear(s.seen)
	}
	s.seen[key] = struct{}{}
	if len(s.queue) == held {
		s.queue = s.queue[1:]
		s.missed++
	}
	s.queue = append(s.queue, contentOf(&f))
	s.wake()
}

// Next gives the next update, waiting for it until the context ends. Only one goroutine may call it.
func (s *Subscription) Next(ctx context.Context) (Update, error) {
	for {
		u, ok, pause, err := s.step()
		if ok || err != nil {
			return u, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return Update{}, ctx.Err()
		case <-s.n.done:
			timer.Stop()
			return Update{}, ErrClosed
		case <-s.signal:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// step gives an update that is ready, or does what is due and says how long to wait at most.
func (s *Subscription) step() (u Update, ok bool, pause time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if err := s.keep(now); err != nil {
		return u, false, 0, err
	}
	if s.wild {
		u, ok = s.nextWild()
		return u, ok, time.Until(s.renew), nil
	}
	if !s.started && s.based && len(s.waiting) > 0 {
		s.started, s.want = true, lowest(s.waiting)
	}
	if u, ok = s.ready(); ok {
		return u, true, 0, nil
	}
	pause, err = s.fetch(now)
	return u, false, pause, err
}

func (s *Subscription) nextWild() (u Update, ok bool) {
	if len(s.queue) == 0 {
		return u, false
	}
	u.Content = s.queue[0]
	s.queue = s.queue[1:]
	return u, true
}

// keep opens the subscription and renews it at half its expiry. Each time the newest is asked as well, which shows a lost tail.
func (s *Subscription) keep(now time.Time) error {
	if now.Before(s.renew) || s.asking {
		return nil
	}
	if !s.started && s.renew.IsZero() && !s.wild && !s.based {
		s.asking = true
		go s.findBase()
		return nil
	}
	s.renew = now.Add(subExpiry / 2)
	if _, err := s.n.sendInterest(ask{s.name, wire.SeqSubscribe}, wire.MaxTTL, subExpiry); err != nil || s.wild {
		return err
	}
	_, err := s.n.sendInterest(ask{s.name, wire.SeqNewest}, wire.MaxTTL, askExpiry)
	return err
}

// findBase asks what the newest is before the subscription is opened: what comes then cannot be mistaken for something that was
// published since. If there is no answer, the stream begins with the first content that is pushed.
func (s *Subscription) findBase() {
	ctx, cancel := context.WithTimeout(context.Background(), baseWait)
	defer cancel()
	c, err := s.n.Get(ctx, s.name, wire.SeqNewest)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking, s.based = false, true
	if err == nil {
		s.started, s.want = true, next(c.Seq)
		clear(s.waiting)
	}
	s.wake()
}

// ready gives the content that is next, or the range of lost numbers before it. Numbers that are lost one after the other
// make one range, which is given when something follows it (P-12).
func (s *Subscription) ready() (u Update, ok bool) {
	if !s.started {
		return u, false
	}
	for s.lost[s.want] {
		delete(s.lost, s.want)
		delete(s.tries, s.want)
		s.lose(s.want, s.want)
	}
	c, here := s.waiting[s.want]
	if s.gap != nil && (here || s.caughtUp()) {
		u, s.gap = *s.gap, nil
		return u, true
	}
	if !here {
		return u, false
	}
	delete(s.waiting, s.want)
	delete(s.tries, s.want)
	s.want = next(s.want)
	return Update{Content: c}, true
}

// lose adds numbers to the range that is lost and goes on behind them.
func (s *Subscription) lose(from, to uint32) {
	if s.gap == nil {
		s.gap = &Update{Content: Content{Name: s.name}, Lost: true, From: from}
	}
	s.gap.To, s.want = to, next(to)
}

// caughtUp tells whether nothing is known to exist from want on.
func (s *Subscription) caughtUp() bool { return s.high == 0 || wire.Newer(s.want, s.high) }

// fetch asks for what is missing, 16 numbers at a time, and says when to look again.
func (s *Subscription) fetch(now time.Time) (time.Duration, error) {
	pause := max(time.Until(s.renew), time.Millisecond)
	if s.asking || !s.started && !s.based {
		return baseWait, nil
	}
	if !s.started || s.caughtUp() {
		return pause, nil
	}
	if distance(s.want, s.high) > longGap && (s.patient == 0 || wire.Newer(s.want, s.patient)) {
		return time.Millisecond, s.skip()
	}
	open := 0
	for seq := s.want; !wire.Newer(seq, s.high) && distance(s.want, seq) < held && open < fetchWindow; seq = next(seq) {
		if _, here := s.waiting[seq]; here || s.lost[seq] {
			continue
		}
		open++
		wait, err := s.try(now, seq)
		if err != nil {
			return 0, err
		}
		pause = min(pause, wait)
	}
	return pause, nil
}

// try sends an exact Interest if it is time for one.
func (s *Subscription) try(now time.Time, seq uint32) (time.Duration, error) {
	t := s.tries[seq]
	if t == nil {
		t = &try{}
		s.tries[seq] = t
		ch, forget := s.n.wait(ask{s.name, seq})
		go s.listen(seq, ch, forget)
	}
	if now.Before(t.next) {
		return t.next.Sub(now), nil
	}
	if t.count++; t.count > maxMisses {
		s.lost[seq] = true
		s.wake()
		return 0, nil
	}
	wait := min(askAgain<<min(t.count-1, 3), askMost)
	t.next = now.Add(wait)
	_, err := s.n.sendInterest(ask{s.name, seq}, wire.MaxTTL, askExpiry)
	return wait, err
}

// listen waits for the Return that says that a number is gone; contents come in by heard.
func (s *Subscription) listen(seq uint32, ch chan reply, forget func()) {
	defer forget()
	timer := time.NewTimer(maxMisses * askMost)
	defer timer.Stop()
	for {
		select {
		case <-s.n.done:
			return
		case <-timer.C:
			return
		case r := <-ch:
			if r.returned == nil {
				return
			}
			if r.returned.Reason == wire.ReturnNotHere {
				s.mu.Lock()
				if s.tries[seq] != nil {
					s.lost[seq] = true
				}
				s.mu.Unlock()
				s.wake()
				return
			}
		}
	}
}

// skip goes on from the oldest that there is, when more than 1,000 numbers are missing (P-12). Contents leave by age, so
// the oldest is found by halving.
func (s *Subscription) skip() error {
	from, to := s.want, s.high
	s.mu.Unlock()
	oldest, err := s.n.oldest(s.name, from, to)
	s.mu.Lock()
	if err != nil {
		return err
	}
	if wire.Newer(oldest, s.want) {
		s.lose(s.want, before(oldest))
	}
	s.patient = s.high // what is left of the gap is there, or was a moment ago: fetch it
	s.wake()
	return nil
}

// oldest finds the lowest number in from … to that somebody has.
func (n *Node) oldest(nm name.Name, from, to uint32) (uint32, error) {
	has := func(seq uint32) (bool, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 3*askExpiry)
		defer cancel()
		_, err := n.Get(ctx, nm, seq)
		if errors.Is(err, ErrClosed) {
			return false, err
		}
		return err == nil, nil
	}
	for steps := 0; from != to && steps < 24; steps++ {
		mid := from + distance(from, to)/2
		here, err := has(mid)
		if err != nil {
			return 0, fmt.Errorf("find the oldest of %s: %w", nm, err)
		}
		if here {
			to = mid
		} else {
			from = min(mid+1, to)
		}
	}
	return to, nil
}

// next is the number after seq; 1 follows the last (P-1).
func next(seq uint32) uint32 {
	if seq >= wire.SeqLast {
		return wire.SeqFirst
	}
	return seq + 1
}

// before is the number before seq.
func before(seq uint32) uint32 {
	if seq <= wire.SeqFirst {
		return wire.SeqLast
	}
	return seq - 1
}

// distance is how many steps it is from a to b, which is not before a.
func distance(a, b uint32) uint32 {
	if b >= a {
		return b - a
	}
	return b + wire.SeqLast - a
}

func lowest(m map[uint32]Content) (low uint32) {
	for seq := range m {
		if low == 0 || wire.Newer(low, seq) {
			low = seq
		}
	}
	return low
}
