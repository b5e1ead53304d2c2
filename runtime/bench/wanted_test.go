package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// A figure that does not hold says so, and one that does says nothing.
func TestWanted(t *testing.T) {
	raw := Result{Name: "raw, batched", Raw: true, CPU: 4000, P50: 100_000, P99: 200_000}
	own := func(cpu, rate float64) Result {
		return Result{Name: "zmesh", CPU: time.Duration(4000 * cpu), CPUOfRaw: Range{Whole: cpu}, RateOfRaw: Range{Whole: rate}, P50: 130_000, P99: 250_000}
	}
	named := func(r Result, name string) Result { r.Name = name; return r }
	for name, c := range map[string]struct {
		r     Report
		wrong int
	}{
		"hit":                   {Report{Scenario: Hit, Window: 256, Results: []Result{own(0.9, 0.9), raw}}, 0},
		"hit, slow":             {Report{Scenario: Hit, Window: 256, Results: []Result{own(1.3, 0.8), raw}}, 3},
		"offload":               {Report{Scenario: Hit, Window: 2048, GSO: true, Results: []Result{own(0.2, 3.4), raw}}, 1},
		"a strategy":            {Report{Scenario: Miss, Window: 256, Results: []Result{own(1, 1), named(own(1.06, 1), "zmesh, adaptive"), raw}}, 1},
		"at a rate":             {Report{Scenario: Hit, Rate: 10_000, Results: []Result{own(8, 1), raw}}, 1},
		"one at a time":         {Report{Scenario: Hit, Window: 1, Results: []Result{own(1, 1), raw}}, 0},
		"persisting":            {Report{Scenario: Miss, Results: []Result{named(own(1, 1), "zmesh, memory"), named(own(1.2, 1), "zmesh, buffered"), raw}}, 1},
		"idle":                  {Report{Scenario: Idle, Results: []Result{{Name: "zmesh", Busy: 0.004, Ready: 400 * time.Millisecond}}}, 1},
		"overload, silent":      {Report{Scenario: Overload, Peak: 10, Results: []Result{{Rate: 10}, {}, {Lost: 131, Unsent: 1, Unread: 1, Drops: map[string]uint64{"receive_buffer": 2, "duplicate": 9}, RateOfPeak: 0.95}}}, 1},
		"overload, counted":     {Report{Scenario: Overload, Peak: 10, Results: []Result{{Rate: 10}, {}, {Lost: 130, Unsent: 1, Unread: 1, Drops: map[string]uint64{"receive_buffer": 2}, RateOfPeak: 0.95}}}, 0},
		"overload, in messages": {Report{Scenario: Overload, GSO: true, Peak: 10, Results: []Result{{Rate: 10}, {}, {Lost: 192, Unread: 1, Drops: map[string]uint64{"receive_buffer": 2}, RateOfPeak: 0.95}}}, 0},
		"overload, too soon":    {Report{Scenario: Overload, Peak: 10, Results: []Result{{Rate: 10}, {Lost: 1}, {RateOfPeak: 0.5}}}, 2},
		"nothing beside it":     {Report{Scenario: Mixed, Results: []Result{own(9, 0), raw}}, 0},
	} {
		var out bytes.Buffer
		Wanted(&out, []*Report{&c.r})
		if got := strings.Count(out.String(), "NOT"); got != c.wrong {
			t.Errorf("%s: %d do not hold, want %d: %s", name, got, c.wrong, &out)
		}
	}
}

// Each table case but mixed, which nothing is wanted of, has a line.
func TestEachCaseIsWanted(t *testing.T) {
	cases, err := Table(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range cases {
		r := Report{Scenario: o.Scenario, Window: o.window(), Rate: o.Rate, GSO: o.GSO, Results: []Result{{Name: "zmesh"}, {Name: "zmesh, adaptive"}, {Name: "raw, batched", Raw: true}}}
		if len(o.Durability) > 1 {
			r.Results[0].Name, r.Results[1].Name = "zmesh, memory", "zmesh, buffered"
		}
		if len(r.checks()) == 0 && o.Scenario != Mixed {
			t.Errorf("%+v has no wanted figure", o)
		}
	}
}

func TestMemoryOverTime(t *testing.T) {
	const mib = 1 << 20
	tg := &target{}
	for i := range 25 {
		tg.total.wall = time.Duration(i) * time.Second
		tg.sample(20 * time.Second)
	}
	if len(tg.samples) != 12 || tg.samples[0].At != 2*time.Second || tg.samples[1].At != 4*time.Second {
		t.Errorf("%v", tg.samples)
	}
	r := Result{Name: "zmesh", MemoryAt: []Sample{{time.Minute, 40 * mib}, {2 * time.Minute, 42 * mib}, {3 * time.Minute, 41 * mib}}}
	if got := r.memoryOverTime(); !strings.Contains(got, "1m0s 40.0, 2m0s 42.0, 3m0s 41.0") || !strings.Contains(got, "+5.0 %") {
		t.Error(got)
	}
}
