package bench

import (
	"context"
	"runtime"
	"time"
)

// loads are what an overload is measured at, as parts of the most that any round has carried by then; 0 is a closed loop.
var loads = []struct {
	label string
	of    float64
}{{"zmesh, window", 0}, {"zmesh, 0.8 of the peak", 0.8}, {"zmesh, twice the peak", 2.2}}

// lengthsOf is how many lengths the stored contents have, so that the forwarder cannot answer many of them with one message, as it could not if they came from as many
// devices. The load sends with segmentation offload: else it would be slower than what it is to overload.
func lengthsOf(payload int) int { return min(16, payload+1) }

// runOverload finds what a forwarder carries at most, and measures what becomes of 0.8 times and of twice as much, beside a closed loop. They take turns, so that what else goes on in the machine meets all three.
func runOverload(ctx context.Context, o *Options) (rep *Report, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	undo, err := pinAll(o.LoadCPU)
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
		err := b.add(ctx, l.label, offload{sends: true, receives: o.GSO}, func(t *target) error {
			if !o.GSO {
				t.maker.lengths = lengthsOf(o.Payload)
			}
			return t.startForwarder(ctx, o, "", o.Durability[0])
		})
		if err != nil {
			return nil, err
		}
	}
	part := o.Duration / time.Duration(o.Repeat)
	peak, err := b.findPeak(ctx, part/2)
	if err != nil {
		return nil, err
	}
	for i := range o.Repeat * len(loads) {
		t, l := b.targets[i%len(loads)], loads[i%len(loads)]
		b.Progress(t.label, float64(i)/float64(o.Repeat*len(loads)))
		b.Rate = l.of * peak
		got, err := b.round(ctx, t, part)
		if err != nil {
			return nil, err
		}
		t.rounds = append(t.rounds, *got)
		peak = max(peak, rateOf(got))
	}
	b.Progress("", 1)
	b.Options = o
	if rep, err = b.report(ctx); err != nil {
		return nil, err
	}
	for i := range rep.Results { // over all rounds: the most that any one of them carried is as much luck as strength
		rep.Peak = max(rep.Peak, carried(b.targets[i], &rep.Results[i]))
	}
	for i := range rep.Results {
		rep.Results[i].RateOfPeak = carried(b.targets[i], &rep.Results[i]) / max(rep.Peak, 1)
	}
	return rep, nil
}

// findPeak finds the most that a forwarder carries: in a closed loop, or when it has twice as much as that to do, since then its bursts are full. What it has measured
// is forgotten.
func (b *bench) findPeak(ctx context.Context, d time.Duration) (peak float64, err error) {
	for i, t := range b.targets {
		b.Progress("find the peak", float64(i)/float64(len(b.targets)))
		b.Rate = loads[i].of * peak
		got, err := b.round(ctx, t, d)
		if err != nil {
			return 0, err
		}
		peak = max(peak, rateOf(got))
		t.total, t.samples = tally{}, nil
		if err := t.begin(ctx); err != nil {
			return 0, err
		}
	}
	return peak, nil
}

// carried is how many exchanges a forwarder answered in a second, with those whose answer the load did not read in time: on a machine of two cores it is slower than
// what it overloads.
func carried(t *target, r *Result) float64 {
	if t.total.wall <= 0 {
		return 0
	}
	return float64(t.total.done+r.Unread) / t.total.wall.Seconds()
}
