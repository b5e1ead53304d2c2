package plugin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/zmesh/zmesh/faces/driver"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

const (
	// driverMemory is a strategy's: one instance for each line.
	driverMemory = 16 << 20
	// driverFuel is for each item and driverByteFuel for each byte of it. A loop over bytes in a Go guest costs 400 to 700 units for
	// each, since every round counts the whole of its function. A burst has at most 64 items and 16 KiB.
	driverFuel     = 200_000
	driverByteFuel = 2_000
)

// driverTrade is the kind driver.
type driverTrade struct{}

func (driverTrade) options(o *engine.Options) {
	o.MinInput, o.MinOutput = abi.DriverInput, abi.DriverOutput
	o.MaxMemory, o.ItemFuel, o.ByteFuel, o.MaxOutput = driverMemory, driverFuel, driverByteFuel, abi.MaxDriverRecords
}

// validate makes sure that a driver takes a first event: its link works from now on.
func (driverTrade) validate(v *version, i *engine.Instance) error {
	var r driver.Result
	c := burst{version: v, schema: v.stateID(), instance: i, link: &block{}}
	_, err := c.run(0, []driver.Item{{Kind: driver.Up, Peer: &driver.Peer{}}}, &r)
	if err != nil {
		return fmt.Errorf("it fails the first event: %w", err)
	}
	return nil
}

// driverCrew is the instances of a driver, one for each line. A line's frames come from the goroutines that read and write it, and
// take turns: so an instance needs no lock of its own, what one peer of a line sends cannot hold up another line, and a listener with
// many peers has one instance of some megabytes and not one for each of them.
type driverCrew struct {
	*seats
	links []*DriverLink
}

func (driverTrade) crew(ctx context.Context, p *loaded, v *version, first *engine.Instance) (crew, error) {
	c := &driverCrew{links: slices.Clone(p.manager.linksOf(p.name))}
	places := make([]*place, len(c.links))
	for k, d := range c.links {
		places[k] = &d.place
		if t := traitsOf(v.module.Manifest); t != d.traits {
			first.Close()
			return nil, fmt.Errorf("it declares other links (%+v) than those that are open (%+v): close the faces first", t, d.traits)
		}
	}
	var err error
	c.seats, err = newSeats(ctx, p, v, places, first)
	return c, err
}

func (c *driverCrew) begin() {
	c.seats.begin()
	c.tellLinks()
}

func (c *driverCrew) mend(ctx context.Context) (int, error) {
	defer c.tellLinks()
	return c.seats.mend(ctx)
}

// tellLinks wakes those that wait for an instance.
func (c *driverCrew) tellLinks() {
	for _, d := range c.links {
		select {
		case d.filled <- struct{}{}:
		default:
		}
	}
}

// linksOf gives the open lines of a driver, which outlive it.
func (m *Manager) linksOf(name string) []*DriverLink {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.links[name]
}

// traitsOf is what a driver declares.
func traitsOf(m *engine.Manifest) driver.Traits {
	d := m.Driver
	return driver.Traits{
		MTU: d.MTU, Stream: slices.Contains(d.Transports, engine.TransportStream), Datagram: slices.Contains(d.Transports, engine.TransportDatagram),
		Broadcast: d.Broadcast, HalfDuplex: d.HalfDuplex, Turnaround: time.Duration(d.Turnaround) * time.Millisecond,
		DutyCycle: d.DutyCycle, BitRate: d.BitRate,
	}
}

// Driver makes an instance of a driver for a line.
func (m *Manager) Driver(ctx context.Context, name string) (*DriverLink, error) {
	p, err := m.find(name)
	if err != nil {
		return nil, fmt.Errorf("driver: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.live.Load()
	var c *driverCrew
	if l != nil {
		c, _ = l.crew.(*driverCrew)
	}
	switch {
	case c == nil && l != nil && l.kind == KindDriver:
		return nil, fmt.Errorf("driver %q: %w", name, ErrQuarantined)
	case c == nil:
		return nil, fmt.Errorf("driver %q: it is %s: %w", name, l.what(), ErrKind)
	}
	i, err := l.version.module.Instantiate(ctx, l.version.config)
	if err != nil {
		return nil, fmt.Errorf("driver %q: %w", name, err)
	}
	d := &DriverLink{manager: m, name: name, traits: traitsOf(l.version.module.Manifest), filled: make(chan struct{}, 1), patient: true}
	c.add(&d.place, i)
	c.links = append(c.links, d)
	m.mu.Lock()
	m.links[name] = c.links
	m.mu.Unlock()
	return d, nil
}

// DriverLink is a driver at work on one line: a driver.Codec. It stays the same over swaps, traps and even Unload: without an
// instance it waits for one a moment, and then says that there is none.
type DriverLink struct {
	place
	manager *Manager
	name    string // of the plugin
	traits  driver.Traits
	link    block
	filled  chan struct{} // an instance was put in
	patient bool          // whether to wait for one; of who runs
	timer   *time.Timer   // of who runs
}

// Traits implements driver.Codec.
func (d *DriverLink) Traits() driver.Traits { return d.traits }

// driverPatience is how long a burst waits for an instance in the place of one that trapped, which takes some milliseconds.
const driverPatience = 500 * time.Millisecond

// Run implements driver.Codec. An item on which the driver traps is lost, the others are not: those before it stand, and those after it
// go to the next instance.
func (d *DriverLink) Run(now time.Duration, items []driver.Item, r *driver.Result) {
	for r.Reset(); len(items) > 0; {
		s := d.seat()
		if s == nil {
			noDriver(items, r)
			return
		}
		c := burst{version: s.crew.version, schema: s.schema, instance: s.instance, link: &d.link}
		n, err := c.run(now, items, r)
		d.calls.Add(uint64(n - 1)) // sit has counted one
		if err != nil {
			d.failed(s, err)
		}
		d.rise(s)
		items = items[n:]
	}
}

// seat enters the seat that is there, or waits for one.
func (d *DriverLink) seat() *seat {
	s := d.sit()
	if s != nil || !d.patient {
		d.patient = s != nil
		return s
	}
	if d.timer == nil {
		d.timer = time.NewTimer(driverPatience)
	} else {
		d.timer.Reset(driverPatience)
	}
	defer d.timer.Stop()
	for {
		select {
		case <-d.filled:
			if s = d.sit(); s != nil {
				return s
			}
		case <-d.timer.C:
			d.patient = false
			return nil
		}
	}
}

// Await implements driver.Codec.
func (d *DriverLink) Await(ctx context.Context) bool {
	for d.current.Load() == nil {
		select {
		case <-d.filled:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Close implements driver.Codec: its instance ends.
func (d *DriverLink) Close() {
	m, isThis := d.manager, func(o *DriverLink) bool { return o == d }
	if p, err := m.find(d.name); err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if l := p.live.Load(); l != nil {
			if c, ok := l.crew.(*driverCrew); ok {
				c.remove(&d.place)
				c.links = slices.DeleteFunc(slices.Clone(c.links), isThis)
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.links[d.name] = slices.DeleteFunc(slices.Clone(m.links[d.name]), isThis)
}

// add puts an instance into a place that is new.
func (c *seats) add(p *place, i *engine.Instance) {
	c.mu.Lock()
	c.places = append(slices.Clone(c.places), p)
	c.mu.Unlock()
	p.current.Store(c.seat(i))
}

// remove takes a place out in which nobody works any more.
func (c *seats) remove(p *place) {
	c.mu.Lock()
	c.places = slices.DeleteFunc(slices.Clone(c.places), func(o *place) bool { return o == p })
	c.mu.Unlock()
	if s := p.current.Swap(nil); s != nil {
		c.bury(s)
	}
}

var _ driver.Codec = (*DriverLink)(nil)
