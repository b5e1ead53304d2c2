package plugin

import (
	"context"
	"sync/atomic"

	"github.com/zmesh/zmesh/runtime/engine"
)

// seat is an instance that one place works with: a worker of the node, a link. Whoever works there enters and leaves it for each
// call; whoever has taken it out of its place retires it, which waits for at most the call at hand.
type seat struct {
	crew     *seats
	instance *engine.Instance
	features uint64 // that the instance relies on
	schema   uint64 // of what the host keeps for it
	state    atomic.Int32
	left     chan struct{} // closed by the worker when it leaves a seat that was retired under it
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

	calls, traps atomic.Uint64
}

// sit enters the seat that is there; nil: there is none. The caller leaves it.
func (p *place) sit() *seat {
	s := p.current.Load()
	for s != nil && !s.enter() {
		s = p.current.Load() // it was swapped in between: retired only after the next one was there
	}
	if s != nil {
		p.calls.Add(1)
	}
	return s
}

// failed takes out a seat whose instance is dead, once, and has it replaced. It does not wait.
func (p *place) failed(s *seat, cause error) {
	if !s.instance.Dead() {
		return
	}
	p.traps.Add(1)
	if p.current.CompareAndSwap(s, nil) {
		s.crew.plugin.report(accident{seat: s, trap: cause})
	}
}

// seats is the crew of a kind whose instances each belong to a place.
type seats struct {
	plugin  *loaded
	version *version
	places  []*place
	first   []*seat // of each place, until begin
	begun   []*seat // which close retires
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
	s := &seat{crew: c, instance: i, features: i.Features(), schema: c.version.stateID(), left: make(chan struct{})}
	c.begun = append(c.begun, s)
	return s
}

func (c *seats) begin() {
	for k, p := range c.places {
		p.current.Store(c.first[k])
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
		i, err := c.version.module.Instantiate(ctx, c.version.config)
		if err != nil {
			return n, err
		}
		p.current.Store(c.seat(i)) // nobody else fills an empty place: the plugin's lock is held
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
	for _, p := range c.places {
		s.Calls += p.calls.Load()
		s.Traps += p.traps.Load()
		if p.current.Load() != nil {
			s.Instances++
		}
	}
}
