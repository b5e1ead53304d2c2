package plugin

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// seat is an instance that one place works with: a worker of the node, a link. Whoever works there enters and leaves it for each
// call; whoever has taken it out of its place retires it, which waits for at most the call at hand.
type seat struct {
	crew     *seats
	instance *engine.Instance
	number   uint32    // no other of the Manager has it
	features uint64    // that the instance relies on
	schema   uint64    // of what the host keeps for it
	memory   uint64    // bytes that it began with
	began    time.Time // of a call that is measured
	items    int       // of that call
	state    atomic.Int32
	left     chan struct{} // closed by the worker when it leaves a seat that was retired under it

	rested  atomic.Uint64                 // calls of its place when the idle hook last ran, or when it came there
	resting atomic.Pointer[chan struct{}] // closed when the Manager, who is in it between two calls, has left; nil: nobody is
	input   uint64                        // key of the input at hand, set by who has a trap to report; 0: none

	// Of the Manager, with the plugin's lock held.
	known  bool      // it has been looked at
	before uint64    // calls of its place when it was last looked at
	slept  time.Time // when the idle hook last ran
	looked time.Time // when its memory and age were looked at

	// Of who watches.
	seen   uint64        // calls of its place when watch last came
	lasted time.Duration // how long it has been at the same call
}

// States of a seat.
const (
	seatIdle int32 = iota
	seatBusy
	seatRetired
	seatBusyRetired
)

func (s *seat) enter() bool { return s.state.CompareAndSwap(seatIdle, seatBusy) }

func (s *seat) leave() {
	if !s.state.CompareAndSwap(seatBusy, seatIdle) {
		s.state.Store(seatRetired)
		close(s.left)
	}
}

// retire waits until the worker is out and closes the instance. The seat must no longer be in its place. Once retired, it stays so.
func (s *seat) retire() {
	for !s.state.CompareAndSwap(seatIdle, seatRetired) {
		if s.state.Load() == seatRetired {
			return
		}
		if s.state.CompareAndSwap(seatBusy, seatBusyRetired) {
			<-s.left
			break
		}
	}
	s.instance.Close()
}

// place is where one call at a time is made: it has the seat of whichever version is at work, and none while there is nothing to
// work with. It outlives versions, traps and the plugin itself.
type place struct {
	current atomic.Pointer[seat]

	calls, traps, skipped atomic.Uint64 // calls: of items, each for itself
	fuel, took            histogram     // units, and ns, of one item in measured; of items that are handed over together the mean
}

// measured is how many items one is measured of: a look at the clock takes as long as a third of a small decision.
const measured = 64

// sit enters the seat that is there, for one item; nil: there is none. The caller leaves it with rise.
func (p *place) sit() *seat {
	s := p.enter()
	if s != nil {
		p.count(s, 1)
	}
	return s
}

// count counts the items that a seat is entered for.
func (p *place) count(s *seat, items int) {
	if p.calls.Add(uint64(items))%measured < uint64(items) {
		s.began, s.items = time.Now(), items
	}
	s.crew.plugin.manager.stir()
}

// enter enters the seat that is there without counting.
func (p *place) enter() *seat {
	s := p.current.Load()
	for s != nil && !s.enter() {
		if rest := s.resting.Load(); rest != nil && !waitFor(*rest) {
			p.replace(s, &engine.Trap{In: abi.ExportIdle, Item: -1, Cause: engine.ErrTime})
		}
		s = p.current.Load() // it was swapped in between: retired only after the next one was there
	}
	return s
}

// restPatience is how long a call waits for an idle hook to end. To collect a small Go guest's garbage takes one to two ms.
const restPatience = 20 * time.Millisecond

func waitFor(rest <-chan struct{}) bool {
	timer := time.NewTimer(restPatience)
	defer timer.Stop()
	select {
	case <-rest:
		return true
	case <-timer.C:
		return false
	}
}

// rise leaves a seat.
func (p *place) rise(s *seat) {
	if !s.began.IsZero() {
		p.took.add(uint64(time.Since(s.began)) / uint64(s.items))
		p.fuel.add(uint64(max(s.instance.Spent(), 0)) / uint64(s.items))
		s.began = time.Time{}
	}
	if s.instance.HasIdle() && p.calls.Load()-s.rested.Load() >= mostCalls && !s.instance.Dead() {
		s.crew.idle(p, s)
	}
	s.leave()
}

// failed takes out a seat whose instance is dead, once. It does not wait: the spare steps in, or the place is empty until the Manager has
// looked after it.
func (p *place) failed(s *seat, cause error) {
	if s.instance.Dead() {
		p.replace(s, cause)
	}
}

func (p *place) replace(s *seat, cause error) {
	p.traps.Add(1)
	next := s.crew.spare.Swap(nil).at(p)
	switch {
	case p.current.CompareAndSwap(s, next):
		s.crew.plugin.report(accident{seat: s, trap: cause, input: s.input})
	case next != nil: // a swap came first
		s.crew.spare.Store(next)
	}
}

// seats is the crew of a kind whose instances each belong to a place.
type seats struct {
	plugin  *loaded
	version *version
	mu      sync.Mutex // of places, for who looks at them without the plugin's lock
	places  []*place
	first   []*seat // of each place, until begin
	begun   []*seat // which close retires
	spare   atomic.Pointer[seat]

	unspared bool // no spare can be made
}

// newSeats makes an instance for each place. On an error it has closed them all.
func newSeats(ctx context.Context, p *loaded, v *version, places []*place, first *engine.Instance) (*seats, error) {
	c := &seats{plugin: p, version: v, places: places}
	for k := range places {
		i := first
		if k > 0 {
			var err error
			if i, err = v.module.Instantiate(ctx, v.config); err != nil {
				c.close()
				return nil, err
			}
		}
		c.first = append(c.first, c.seat(i))
	}
	if len(places) == 0 {
		first.Close()
	}
	return c, nil
}

// seat makes one that close retires.
func (c *seats) seat(i *engine.Instance) *seat {
	s := &seat{crew: c, instance: i, number: c.plugin.manager.seats.Add(1), features: i.Features(), schema: c.version.stateID(), left: make(chan struct{})}
	s.memory, s.looked = i.Memory(), time.Now()
	c.begun = append(c.begun, s)
	return s
}

// at says where a seat is to be: what was called there before was another's, and left it no garbage. s may be nil.
func (s *seat) at(p *place) *seat {
	if s != nil {
		s.rested.Store(p.calls.Load())
	}
	return s
}

func (c *seats) begin() {
	for k, p := range c.places {
		p.current.Store(c.first[k].at(p))
	}
	c.first = nil
}

func (c *seats) stop() {
	for _, p := range c.places {
		p.current.Store(nil)
	}
}

func (c *seats) close() {
	for _, s := range c.begun {
		s.retire()
	}
	c.begun = nil
}

func (c *seats) mend(ctx context.Context) (n int, err error) {
	for _, p := range c.places {
		if p.current.Load() != nil {
			continue
		}
		if s := c.spare.Swap(nil); s != nil {
			p.current.Store(s.at(p))
			n++
			continue
		}
		i, err := c.version.module.Instantiate(ctx, c.version.config)
		if err != nil {
			return n, err
		}
		p.current.Store(c.seat(i).at(p)) // nobody else fills an empty place: the plugin's lock is held
		n++
	}
	return n, nil
}

// bury closes a seat that has trapped.
func (c *seats) bury(s *seat) {
	s.retire()
	for k, other := range c.begun {
		if other == s {
			c.begun = append(c.begun[:k], c.begun[k+1:]...)
			return
		}
	}
}

func (c *seats) tell(s *Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.places {
		s.Calls += p.calls.Load()
		s.Traps += p.traps.Load()
		s.Skipped += p.skipped.Load()
		s.fuel, s.took = append(s.fuel, &p.fuel), append(s.took, &p.took)
		if p.current.Load() != nil {
			s.Instances++
		}
	}
}
