package bench

import (
	"context"
	"runtime"
	"time"
)

// loads are what an overload is measured at, as parts of the most that is carried in a closed loop; 0 is that loop.
var loads = []struct {
	label string
	of    float64
}{{"zmesh, window", 0}, {"zmesh, 0.8 of that", 0.8}, {"zmesh, twice that", 2}}

// runOverload measures what a forwarder carries at most in a closed loop, and in an open loop what becomes of 0.8 times and of twice as much. They
// take turns, so that what else goes on in the machine meets all three.
func runOverload(ctx context.Context, o *Options) (rep *Report, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	undo, err := pin(o.LoadCPU)
	if err != nil {
		return nil, UsageError{err}
	}
	defer undo()
	sharpTimers()
	hits := *o
	hits.Scenario = Hit
	b := &bench{Options: &hits}
	defer func() {
		for _, t := range b.targets {
			if e := t.close(); err == nil {
				err = e
			}
		}
	}()
	for _, l := range loads {
		err := b.add(ctx, l.label, o.GSO, func(t *target) error { return t.startForwarder(ctx, o, "", o.Durability[0]) })
		if err != nil {
			return nil, err
		}
	}
	for i := range o.Repeat * len(loads) {
		t, l := b.targets[i%len(loads)], loads[i%len(loads)]
		b.Progress(t.label, float64(i)/float64(o.Repeat*len(loads)))
		b.Rate = l.of * rateOf(&b.targets[0].total)
		got, err := b.round(ctx, t, o.Duration/time.Duration(o.Repeat))
		if err != nil {
			return nil, err
		}
		t.rounds = append(t.rounds, *got)
	}
	b.Progress("", 1)
	b.Options = o
	if rep, err = b.report(ctx); err != nil {
		return nil, err
	}
	for i := range rep.Results {
		res := &rep.Results[i]
		res.RateOfPeak = carried(b.targets[i], res) / rateOf(&b.targets[0].total)
	}
	return rep, nil
}

// carried is how many exchanges a forwarder answered in a second, with those whose answer the load did not read in time: on a machine of two cores it is slower than
// what it overloads.
func carried(t *target, r *Result) float64 {
	if t.total.wall <= 0 {
		return 0
	}
	return float64(t.total.done+r.Unread) / t.total.wall.Seconds()
}
