package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// Run measures.
func Run(ctx context.Context, o Options) (rep *Report, err error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	switch o.Scenario {
	case Idle:
		return runIdle(ctx, &o)
	case Overload:
		return runOverload(ctx, &o)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	undo, err := pinAll(o.LoadCPU)
	if err != nil {
		return nil, UsageError{err}
	}
	defer undo()
	sharpTimers()
	b := &bench{Options: &o}
	defer func() {
		for _, t := range b.targets {
			err = errors.Join(err, t.close())
		}
	}()
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	if err := b.rounds(ctx); err != nil {
		return nil, err
	}
	return b.report(ctx)
}

// bench is one measurement under way.
type bench struct {
	*Options
	targets []*target
}

// start makes everything that is measured: forwarders first, the raw servers last.
func (b *bench) start(ctx context.Context) error {
	if b.To.IsValid() {
		return b.add(ctx, "zmesh", both(b.GSO), func(t *target) error {
			t.at = b.To
			if b.CPU != nil {
				t.cpuAt = func() (time.Duration, error) { return b.CPU(ctx) }
			}
			return nil
		})
	}
	for _, s := range append([]string{""}, b.Strategies...) {
		for _, d := range b.Durability {
			label := "zmesh"
			if s != "" {
				label += ", " + s
			}
			if len(b.Durability) > 1 {
				label += ", " + d
			}
			if err := b.add(ctx, label, both(b.GSO), func(t *target) error { return t.startForwarder(ctx, b.Options, s, d) }); err != nil {
				return err
			}
		}
	}
	if b.NoRaw {
		return nil
	}
	second := Plain
	if b.GSO {
		second = Offload
	}
	for _, calls := range []string{Batched, second} { // what everything is compared with comes first
		err := b.add(ctx, "raw, "+calls, both(calls == Offload), func(t *target) error { return t.startRaw(ctx, b.Options, calls) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) add(ctx context.Context, label string, with offload, begin func(*target) error) error {
	b.Progress("start "+label, 0)
	ring := b.Ring
	if ring == nil {
		ring = ownRing()
	}
	t := &target{label: label, scenario: b.Scenario, maker: newMaker(ring, b.Payload)}
	b.targets = append(b.targets, t)
	remote, v6 := b.To.IsValid() && !b.To.Addr().IsLoopback(), b.To.IsValid() && b.To.Addr().Is6()
	if err := t.openSockets(with, b.faces(), !remote, v6); err != nil {
		return err
	}
	if err := begin(t); err != nil {
		return err
	}
	if err := t.connect(); err != nil {
		return err
	}
	if err := t.prepare(ctx, b.Options); err != nil {
		return err
	}
	return t.begin(ctx)
}

// ownRing is the keys of the forwarders that are started here.
func ownRing() *wire.Keyring {
	key := networkKey
	ring, err := wire.NewKeyring(wire.Network{Keys: [wire.NetworkKeys]*[wire.KeySize]byte{&key}})
	if err != nil {
		panic(err)
	}
	return ring
}

// rounds gives each target its part of the time, in turns, so that what else goes on in the machine meets all of them.
func (b *bench) rounds(ctx context.Context) error {
	part := b.Duration / time.Duration(b.Repeat)
	for round := range b.Repeat {
		for i, t := range b.targets {
			b.Progress(t.label, float64(round*len(b.targets)+i)/float64(b.Repeat*len(b.targets)))
			got, err := b.round(ctx, t, part)
			if err != nil {
				return err
			}
			t.rounds, t.resident = append(t.rounds, *got), append(t.resident, t.memory())
		}
	}
	b.Progress("", 1)
	return nil
}

// round loads a target for a time, in legs.
func (b *bench) round(ctx context.Context, t *target, d time.Duration) (*tally, error) {
	sum := new(tally)
	silent := 0
	for left := d; left > 0; {
		if b.Rate > 0 && sum.opened > 0 && b.Rate*left.Seconds() < 1 { // the next is due in the next round
			break
		}
		t.renew(b.Options)
		most := min(left, longestLeg)
		p := pace{window: b.window(), until: max(most, 50*time.Millisecond), patient: 500 * time.Millisecond} // a shorter leg may end before it begins
		n := b.enough(t, most)
		if b.Rate > 0 {
			p.window, p.rate, p.patient, p.polls = 0, b.Rate, 2*time.Second, b.apart()
			n = max(1, min(max(n, int(b.Rate)), int(b.Rate*most.Seconds()), mostOpen))
		}
		got, err := t.runLeg(ctx, b.Options, n, p, false)
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if got.opened == 0 && sum.done > 0 {
			return sum, nil
		}
		sum.add(got)
		t.total.add(got)
		t.sample(b.Duration)
		if got.done == 0 { // a machine with other work may stop a process for longer than one is patient
			if silent++; silent == silentLegs {
				return nil, fmt.Errorf("%s: of %d exchanges none was answered, %d times in a row, within %s each", t.label, got.opened, silent, p.patient)
			}
			left -= p.patient
			continue
		}
		silent, t.last = 0, *got
		left -= max(got.wall, time.Millisecond)
	}
	return sum, nil
}

// apart tells whether the load has a CPU that it takes from nobody. Then it polls at a moderate rate: to wake it, which costs a virtual machine tens of µs, would be a part
// of the latency, and the forwarder would pay for it.
func (b *bench) apart() bool {
	return b.LoadCPU >= 0 && b.LoadCPU != b.ServerCPU && b.ServerCPU >= 0 && !b.To.IsValid()
}

// longestLeg is less than what a subscription lasts when half of it has passed.
const longestLeg = subscribeExpiry * time.Second / 3

// mostOpen is how many exchanges a leg of an open loop has at most. One of a second shows what becomes of a load that goes on; what is only a few ms too much is
// held by the buffers.
const mostOpen = 1 << 21

// silentLegs is how many legs in a row may pass without an answer.
const silentLegs = 4

// enough is how many exchanges a leg has: about as many as there is time for, and not more than fit into a small cache of frames.
func (b *bench) enough(t *target, left time.Duration) int {
	const first, most = 1 << 13, 1 << 18
	if t.last.done == 0 {
		return max(first/b.faces(), 64)
	}
	each := t.last.wall / time.Duration(t.last.done)
	return min(int(left/max(each, 1))+first/b.faces()+1, most)
}
