package bench

import (
	"context"
	"time"
)

// idlePlugins are the three that an idle node has: of both kinds.
var idlePlugins = []string{"best-route", "cayenne-lpp", "milesight"}

// runIdle measures what a node takes that has nothing to do.
func runIdle(ctx context.Context, o *Options) (rep *Report, err error) {
	o.extraPlugins = idlePlugins[1:]
	b := &bench{Options: o}
	t := &target{label: "zmesh", scenario: Idle, maker: newMaker(ownRing(), o.Payload)}
	if err := t.openSockets(offload{}, 1, true, false); err != nil {
		return nil, err
	}
	if err := t.startForwarder(ctx, o, idlePlugins[0], o.Durability[0]); err != nil {
		return nil, err
	}
	if err := t.restart(ctx, o); err != nil { // so that what is said of its start is that of a node with a warm compile cache
		return nil, err
	}
	b.targets = append(b.targets, t)
	defer func() {
		if e := t.close(); err == nil {
			err = e
		}
	}()
	t.before = t.memory()
	for i := range o.Repeat {
		o.Progress("idle", float64(i)/float64(o.Repeat))
		cpu, err := t.cpu()
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		select {
		case <-time.After(o.Duration / time.Duration(o.Repeat)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		after, err := t.cpu()
		if err != nil {
			return nil, err
		}
		t.total.add(&tally{wall: time.Since(begun), cpu: after - cpu})
	}
	o.Progress("", 1)
	return b.report(ctx)
}
