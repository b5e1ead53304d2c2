package bench

import (
	"context"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/zmesh/zmesh/core/drop"
)

// Report is what was measured.
type Report struct {
	Scenario string        `json:"scenario"`
	Window   int           `json:"window,omitempty"`
	Rate     float64       `json:"rate,omitempty"` // of an open loop, exchanges a second
	Names    uint64        `json:"names"`
	Payload  int           `json:"payload_bytes"`
	Faces    int           `json:"faces"`
	Peak     float64       `json:"peak_per_second,omitempty"` // of an overload: the most that was carried
	GSO      bool          `json:"gso"`
	Duration time.Duration `json:"duration_ns"`
	Rounds   int           `json:"rounds"`
	Machine  string        `json:"machine"`
	Results  []Result      `json:"results"`
}

// Result is one of those that were measured. What compares it with the limit of the machine, raw batched calls, was measured within
// the same run, and is 0 if that was left out.
type Result struct {
	Name string `json:"name"`
	Raw  bool   `json:"raw"`

	Exchanges uint64        `json:"exchanges"`  // complete
	Rate      float64       `json:"per_second"` // complete ones
	P50       time.Duration `json:"p50_ns"`     // open loop: from when it was due
	P99       time.Duration `json:"p99_ns"`
	P999      time.Duration `json:"p999_ns"`
	CPU       time.Duration `json:"cpu_ns"`  // of the process for each exchange; 0 if that is not known
	Copy      time.Duration `json:"copy_ns"` // of the process for each copy that a subscriber got
	Busy      float64       `json:"busy"`    // part of a core that the process took

	Offered  float64           `json:"offered_per_second"` // exchanges begun
	Lost     uint64            `json:"lost"`               // exchanges without an answer in half a second, of an open loop in two
	Unsent   uint64            `json:"unsent"`             // datagrams that the load's own sockets had no room for
	Unread   uint64            `json:"unread"`             // datagrams that came to them and were not read in time
	Returned uint64            `json:"returned"`           // Interests that came back as a Return
	Drops    map[string]uint64 `json:"drops"`              // what the forwarder has counted meanwhile, by reason
	Foreign  bool              `json:"foreign"`            // it ran already: what it counted is not known here

	Load  float64 `json:"load_busy"`   // part of a core that the load took, without polling in vain
	Bound bool    `json:"lower_bound"` // the load was the limit, not what was measured

	MemoryBefore uint64        `json:"memory_before_bytes"`
	MemoryAfter  uint64        `json:"memory_after_bytes"`
	MemoryRounds []uint64      `json:"memory_rounds_bytes"` // after each round
	MemoryAt     []Sample      `json:"memory_at"`           // after each tenth of the time
	Ready        time.Duration `json:"ready_ns"`            // from start to ready, if it was started for this

	RateOfRaw Range `json:"rate_of_raw"` // its rate by that of the raw batched calls
	CPUOfRaw  Range `json:"cpu_of_raw"`  // its CPU time for an exchange by theirs

	RateOfPeak float64 `json:"rate_of_peak"` // of an overload: exchanges that the forwarder carried in a second, by the most that was carried
}

// Sample is the resident memory after some measured time.
type Sample struct {
	At    time.Duration `json:"at_ns"`
	Bytes uint64        `json:"bytes"`
}

// Range is a ratio, over all rounds and the lowest and highest of one round.
type Range struct {
	Whole float64 `json:"whole"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// saturated is how busy a load may be before what it measures is only a lower bound.
const saturated = 0.95

func (b *bench) report(ctx context.Context) (*Report, error) {
	r := &Report{
		Scenario: b.Scenario, Window: b.window(), Rate: b.Rate, Names: b.names(), Payload: b.Payload, Faces: b.faces(), GSO: b.GSO,
		Duration: b.Duration, Rounds: b.Repeat, Machine: machine(),
	}
	if b.Rate > 0 {
		r.Window = 0
	}
	var limit *target
	for _, t := range b.targets {
		if limit == nil && t.isRaw() {
			limit = t
		}
	}
	for _, t := range b.targets {
		res := t.result()
		if err := t.losses(ctx, &res); err != nil {
			return nil, fmt.Errorf("%s: %w", t.label, err)
		}
		if limit != nil && t != limit {
			res.RateOfRaw = compare(t, limit, rateOf)
			res.CPUOfRaw = compare(t, limit, cpuEach)
		}
		r.Results = append(r.Results, res)
	}
	return r, nil
}

// losses fills in what was lost since begin: by the forwarder, and by the load itself.
func (t *target) losses(ctx context.Context, r *Result) error {
	r.Unsent, r.Unread = t.lostHere()
	r.Unsent, r.Unread = r.Unsent-t.unsent, r.Unread-t.unread
	if t.isRaw() || t.child == nil {
		return nil
	}
	now, err := t.child.drops(ctx)
	for why, n := range now {
		if n -= t.dropped[why]; n > 0 {
			r.Drops[why] = n
		}
	}
	return err
}

// unexplained is how many exchanges were lost although nobody counts a drop. A frame that is dropped is a lost exchange at most, so what is counted may be
// more. What was sent with segmentation offload lies in a receive buffer as messages of up to 64 datagrams, and the kernel counts such a message once.
func (r *Result) unexplained(all *Report) uint64 {
	sent, read := uint64(1), uint64(1) // datagrams in a message at most
	if all.GSO || all.Scenario == Overload {
		sent = maxSegments
	}
	if all.GSO {
		read = maxSegments
	}
	counted := r.Unsent + r.Unread*read
	for why, n := range r.Drops {
		if why == drop.ReceiveBuffer.String() {
			n *= sent
		}
		if why != drop.Duplicate.String() && why != drop.Hello.String() { // these cost nobody an answer
			counted += n
		}
	}
	return r.Lost - min(r.Lost, counted)
}

func machine() string {
	return fmt.Sprintf("%s, %d CPUs, %s %s", kernel(), runtime.NumCPU(), runtime.Version(), runtime.GOARCH)
}

func (t *target) result() Result {
	s := &t.total
	r := Result{
		Name: t.label, Raw: t.isRaw(), Foreign: t.child == nil, Exchanges: s.done, Lost: s.lost, Returned: s.returned, Drops: map[string]uint64{},
		Rate: rateOf(s), P50: s.latency.quantile(0.5), P99: s.latency.quantile(0.99), P999: s.latency.quantile(0.999),
		CPU: time.Duration(cpuEach(s)), MemoryBefore: t.before, MemoryAfter: t.memory(), MemoryRounds: t.resident, MemoryAt: t.samples,
	}
	if s.sending > 0 {
		r.Offered = float64(s.opened) / s.sending.Seconds()
	}
	if s.wall > 0 {
		r.Busy, r.Load = s.cpu.Seconds()/s.wall.Seconds(), s.load.Seconds()/s.wall.Seconds()
	}
	if s.copies > 0 {
		r.Copy = s.cpu / time.Duration(s.copies)
	}
	r.Bound = r.Load > saturated
	if t.child != nil {
		r.Ready = t.child.started
	}
	return r
}

func rateOf(t *tally) float64 {
	if t.wall <= 0 {
		return 0
	}
	return float64(t.done) / t.wall.Seconds()
}

// cpuEach is the CPU time in ns of an exchange.
func cpuEach(t *tally) float64 {
	if t.done == 0 {
		return 0
	}
	return float64(t.cpu) / float64(t.done)
}

// compare is the ratio of a figure to that of the limit, within each round and over all.
func compare(t, limit *target, figure func(*tally) float64) (r Range) {
	ratio := func(a, b *tally) float64 {
		if y := figure(b); y > 0 {
			return figure(a) / y
		}
		return 0
	}
	r.Whole = ratio(&t.total, &limit.total)
	for i := range t.rounds {
		x := ratio(&t.rounds[i], &limit.rounds[i])
		if i == 0 || x < r.Low {
			r.Low = x
		}
		r.High = max(r.High, x)
	}
	return r
}

// Print writes the report as a table.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s\n", r.title())
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\texchanges/s\tp50\tp99\tp99.9\tCPU each\tCPU of raw\trate of raw\tlost\tMiB\tload\t")
	for i := range r.Results {
		r.Results[i].row(t)
	}
	_ = t.Flush()
	for i := range r.Results {
		for _, note := range r.Results[i].notes(r) {
			fmt.Fprintln(w, "  "+note)
		}
	}
}

func (r *Report) title() string {
	var parts []string
	if r.Scenario == Idle {
		return fmt.Sprintf("%s: %s with three plugins", r.Scenario, r.Duration)
	}
	if r.Rate > 0 {
		parts = append(parts, fmt.Sprintf("%.0f a second", r.Rate))
	} else {
		parts = append(parts, fmt.Sprintf("window %d", r.Window))
	}
	if r.Names == maxNames {
		parts = append(parts, "each another name")
	} else {
		parts = append(parts, fmt.Sprintf("%d names", r.Names))
	}
	if r.Faces > 1 {
		parts = append(parts, fmt.Sprintf("%d %s", r.Faces, map[bool]string{true: "faces", false: "subscribers"}[r.Scenario == Hit || r.Scenario == Miss]))
	}
	switch {
	case r.GSO:
		parts = append(parts, fmt.Sprintf("%d bytes of payload", r.Payload), "load with segmentation offload")
	case r.Scenario == Overload:
		parts = append(parts, fmt.Sprintf("%d bytes of payload and up to %d less", r.Payload, lengthsOf(r.Payload)-1), "load sends with segmentation offload")
	default:
		parts = append(parts, fmt.Sprintf("%d bytes of payload", r.Payload))
	}
	return fmt.Sprintf("%s: %s; %d rounds of %s", r.Scenario, strings.Join(parts, ", "), r.Rounds, short(r.Duration/time.Duration(r.Rounds)))
}

func (r *Result) row(w io.Writer) {
	rate := fmt.Sprintf("%.0f", r.Rate)
	if r.Bound {
		rate = "≥ " + rate
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%.0f %%\t\n", r.Name, rate, short(r.P50), short(r.P99), short(r.P999), short(r.CPU),
		r.CPUOfRaw, r.RateOfRaw, r.Lost, r.memory(), 100*r.Load)
}

func (r *Result) memory() string {
	const mib = 1 << 20
	if r.MemoryAfter == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f-%.0f", float64(r.MemoryBefore)/mib, float64(r.MemoryAfter)/mib)
}

// notes are what does not fit into a row.
func (r *Result) notes(all *Report) (list []string) {
	if all.Faces > 1 && r.Copy > 0 && all.Scenario != Hit && all.Scenario != Miss {
		list = append(list, fmt.Sprintf("%s: %s of CPU for each copy", r.Name, short(r.Copy)))
	}
	if r.Bound {
		list = append(list, fmt.Sprintf("%s: the load was busy to %.0f %%, so that its rate is a lower bound", r.Name, 100*r.Load))
	}
	if r.Returned > 0 {
		list = append(list, fmt.Sprintf("%s: %d Interests were returned", r.Name, r.Returned))
	}
	if r.Ready > 0 && !r.Raw {
		list = append(list, fmt.Sprintf("%s: ready after %s; busy to %.1f %% of a core", r.Name, short(r.Ready), 100*r.Busy))
	}
	if r.RateOfPeak > 0 {
		list = append(list, fmt.Sprintf("%s: %.0f offered a second, %.2f times the peak; answered at %.2f of the peak, with what the load did not read in time", r.Name, r.Offered, r.Offered/max(all.Peak, 1), r.RateOfPeak))
	}
	switch {
	case r.Lost == 0 || r.Raw:
	case r.Foreign:
		list = append(list, fmt.Sprintf("%s: %d exchanges were lost; what the forwarder counted is in its status; the load itself could not send %d datagrams and did not read %d in time", r.Name, r.Lost, r.Unsent, r.Unread))
	default:
		list = append(list, fmt.Sprintf("%s: of %d lost exchanges %d are in no counter; the load itself could not send %d datagrams and did not read %d in time", r.Name, r.Lost, r.unexplained(all), r.Unsent, r.Unread))
	}
	if all.Duration >= longRun && !r.Raw && len(r.MemoryAt) > 1 {
		list = append(list, r.memoryOverTime())
	}
	if len(r.Drops) > 0 {
		var parts []string
		for _, why := range slices.Sorted(maps.Keys(r.Drops)) {
			parts = append(parts, fmt.Sprintf("%s %d", why, r.Drops[why]))
		}
		list = append(list, fmt.Sprintf("%s: dropped %s", r.Name, strings.Join(parts, ", ")))
	}
	return list
}

// longRun is from when on it is of interest how memory grows.
const longRun = 30 * time.Second

// memoryOverTime tells the memory after each tenth of the time, and how much more than after the first it ever was.
func (r *Result) memoryOverTime() string {
	const mib = 1 << 20
	var parts []string
	most := r.MemoryAt[0].Bytes
	for _, s := range r.MemoryAt {
		parts = append(parts, fmt.Sprintf("%s %.1f", s.At.Round(time.Second), float64(s.Bytes)/mib))
		most = max(most, s.Bytes)
	}
	return fmt.Sprintf("%s: MiB after %s: at most %+.1f %% after the first of these", r.Name, strings.Join(parts, ", "), 100*(float64(most)/float64(r.MemoryAt[0].Bytes)-1))
}

// String is a ratio with its range.
func (r Range) String() string {
	if r.Whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", r.Whole, r.Low, r.High)
}

// short is a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", float64(d)/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}
