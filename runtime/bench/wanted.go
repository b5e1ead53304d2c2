package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Wanted compares the measurements of the table with what a forwarder is to hold, a line each: what was measured, the figure, and what it is to be.
func Wanted(w io.Writer, reports []*Report) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "\nmeasured\t\twanted\t")
	for _, r := range reports {
		for _, c := range r.checks() {
			mark := ""
			if !c.holds {
				mark = "NOT"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.what, c.got, c.want, mark)
		}
	}
	_ = t.Flush()
}

// check is one line.
type check struct {
	what, got, want string
	holds           bool
}

func atMost(what string, got, limit float64) check {
	return check{what, fmt.Sprintf("%.2f", got), fmt.Sprintf("≤ %.2f", limit), got <= limit}
}

func atLeast(what string, got, limit float64) check {
	return check{what, fmt.Sprintf("%.2f", got), fmt.Sprintf("≥ %.2f", limit), got >= limit}
}

func soon(what string, got, limit time.Duration) check {
	return check{what, short(got), "≤ " + short(limit), got <= limit}
}

// named finds a result by what its name ends in.
func (r *Report) named(end string) *Result {
	for i := range r.Results {
		if res := &r.Results[i]; strings.HasSuffix(res.Name, end) {
			return res
		}
	}
	return nil
}

// part is a figure of one result by that of another; 0 if one of them is not there.
func part(a, b *Result, figure func(*Result) float64) float64 {
	if a == nil || b == nil || figure(b) == 0 {
		return 0
	}
	return figure(a) / figure(b)
}

func cpuOfResult(r *Result) float64 { return float64(r.CPU) }

// checks are the lines of a scenario. Ratios are over all rounds.
func (r *Report) checks() (list []check) {
	raw, own := r.named("batched"), r.named("zmesh")
	if own == nil {
		own = r.named("memory")
	}
	switch {
	case r.Scenario == Overload:
		return r.overloadChecks()
	case r.Scenario == Idle:
		return []check{
			atMost("idle, part of a core in %", 100*own.Busy, 0.5), soon("idle, from start to ready", own.Ready, 300*time.Millisecond),
		}
	case own == nil || raw == nil:
		return nil
	case len(r.Results) > 0 && r.named("buffered") != nil:
		list = append(list, atMost(r.Scenario+", persisting, CPU of that without", part(r.named("buffered"), own, cpuOfResult), 1.1))
	case r.Rate > 0 && r.Scenario == Miss: // p99 is wanted of what stands beside a raw echo, a hit: one forwarded both ways has two naps in it
		list = append(list, atMost(fmt.Sprintf("miss, %.0f a second, CPU of raw", r.Rate), own.CPUOfRaw.Whole, 1.25),
			soon(fmt.Sprintf("miss, %.0f a second, CPU of an exchange (raw %s)", r.Rate, short(raw.CPU)), own.CPU, 30*time.Microsecond))
	case r.Rate > 0:
		list = append(list, soon(fmt.Sprintf("%s, %.0f a second, p99 (raw %s)", r.Scenario, r.Rate, short(raw.P99)), own.P99, 300*time.Microsecond),
			soon(fmt.Sprintf("%s, %.0f a second, CPU of an exchange (raw %s)", r.Scenario, r.Rate, short(raw.CPU)), own.CPU, 30*time.Microsecond))
	case r.Window == 1:
		list = append(list, atMost(r.Scenario+", one at a time, p50 of raw", part(own, raw, func(r *Result) float64 { return float64(r.P50) }), 1.4))
	case r.Scenario == Fanout:
		list = append(list, atMost("fanout, CPU of a copy of raw", own.CPUOfRaw.Whole, 1.25))
	case r.Scenario == Hit && r.GSO:
		list = append(list, atLeast("hit, offload, rate of raw without", own.RateOfRaw.Whole, 3.5))
	case r.Scenario == Hit:
		list = append(list, atMost("hit, CPU of raw", own.CPUOfRaw.Whole, 1.25), atMost("… as it answers with offload", own.CPUOfRaw.Whole, 1), atLeast("hit, rate of raw", own.RateOfRaw.Whole, 0.85))
	case r.Scenario == Miss && r.GSO:
		for i := range r.Results {
			if res := &r.Results[i]; !res.Raw {
				list = append(list, atLeast("miss, offload, rate of raw without: "+res.Name, res.RateOfRaw.Whole, 4))
			}
		}
	case r.Scenario == Miss:
		list = append(list, atMost("miss, CPU of raw", own.CPUOfRaw.Whole, 1.25), atMost("… as it sends with offload", own.CPUOfRaw.Whole, 1), atLeast("miss, rate of raw", own.RateOfRaw.Whole, 0.8))
		for i := range r.Results {
			if res := &r.Results[i]; !res.Raw && res != own {
				list = append(list, atMost("miss, CPU of that without: "+res.Name, part(res, own, cpuOfResult), 1.05))
			}
		}
	}
	return list
}

func (r *Report) overloadChecks() []check {
	below, twice := &r.Results[1], &r.Results[2]
	return []check{
		{"0.8 of the peak load, lost", fmt.Sprint(below.Lost), "0", below.Lost == 0},
		{
			fmt.Sprintf("%.1f times the peak load, rate of the peak", twice.Offered/max(r.Peak, 1)),
			fmt.Sprintf("%.2f", twice.RateOfPeak), "≥ 0.90", twice.RateOfPeak >= 0.9,
		},
		{
			fmt.Sprintf("… of %d lost, in no counter", twice.Lost), fmt.Sprint(twice.unexplained(r)), "0", twice.unexplained(r) == 0,
		},
	}
}
