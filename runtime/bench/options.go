package bench

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// Scenarios.
const (
	Hit     = "hit"     // an Interest that the store answers
	Miss    = "miss"    // an Interest that is forwarded to a producer, and the Content back
	Publish = "publish" // a Content that is published, stored, and pushed to a subscriber
	Fanout  = "fanout"  // one that is pushed to many
	Mixed   = "mixed"   // six hits, three misses and one Content to a subscriber in ten
	Idle    = "idle"    // nothing at all, with three plugins loaded

	Overload = "overload" // hits at the peak, at 0.8 of it, and at twice as much
)

// Scenarios lists them.
func Scenarios() []string { return append(slices.Sorted(maps.Keys(pattern)), Idle, Overload) }

// Options is one measurement. The zero value of a number is its default.
type Options struct {
	Exe      string // this program, to start children with
	Scenario string

	Window   int           // exchanges under way in a closed loop; default 256, with GSO 2,048
	Rate     float64       // exchanges a second of an open loop, in place of a window
	Names    int           // that the exchanges go over; default 4,096; publish and mixed 256; fanout 1; -1: each exchange another name
	Payload  int           // bytes of a Content's payload; default 100
	Faces    int           // subscribers, or with hit and miss who asks in turns; fanout: default 1,000
	Duration time.Duration // of the timed part for each that is measured; default 3 s
	Repeat   int           // rounds it is cut into; all take turns; default 3

	GSO        bool     // the load sends and receives with segmentation offload
	Strategies []string // measured beside the built-in one: builtin plugins
	Durability []string // of the store, each measured; default memory
	Workers    int      // of the forwarder; default 1
	ServerCPU  int      // where what is measured runs; -1: anywhere
	LoadCPU    int      // where the load runs; -1: anywhere
	NoRaw      bool     // leave the limit of the machine out

	To   netip.AddrPort                               // a forwarder that runs already; invalid: one is started
	Ring *wire.Keyring                                // its network key, if To is set
	CPU  func(context.Context) (time.Duration, error) // reads the CPU time that it has taken; nil: not known

	Progress func(text string, part float64) // may be nil

	extraPlugins []string
}

// UsageError is a mistake in the options.
type UsageError struct{ error }

func usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

func (o *Options) window() int {
	switch {
	case o.Window > 0:
		return o.Window
	case o.Scenario == Fanout:
		return 4
	case o.GSO:
		return 2048
	case o.Scenario == Overload:
		return 1024
	}
	return 256
}

func (o *Options) names() uint64 {
	switch {
	case o.Names < 0:
		return maxNames
	case o.Names > 0:
		return uint64(o.Names)
	case o.Scenario == Fanout:
		return 1
	case o.Scenario == Publish || o.Scenario == Mixed:
		return 256
	}
	return 4096
}

func (o *Options) faces() int {
	switch {
	case o.Faces > 0:
		return o.Faces
	case o.Scenario == Fanout:
		return 1000
	}
	return 1
}

func (o *Options) setDefaults() {
	if o.Payload == 0 {
		o.Payload = 100
	}
	if o.Duration == 0 {
		o.Duration = 3 * time.Second
	}
	if o.Repeat == 0 {
		o.Repeat = 3
	}
	if len(o.Durability) == 0 {
		o.Durability = []string{"memory"}
	}
	if o.Progress == nil {
		o.Progress = func(string, float64) {}
	}
}

// mostRate is beyond what any machine sends.
const mostRate = 1e9

// check tells what cannot be measured.
func (o *Options) check() error {
	switch {
	case !slices.Contains(Scenarios(), o.Scenario):
		return usagef("scenario %q: there are %s", o.Scenario, strings.Join(Scenarios(), ", "))
	case o.Payload < 0 || o.Payload > wire.MaxPayload:
		return usagef("payload of %d bytes: 1 to %d, which a frame has room for", o.Payload, wire.MaxPayload)
	case o.Rate < 0 || o.Window < 0 || o.Repeat < 0 || o.Duration < 0 || o.Faces < 0 || o.Workers < 0:
		return usagef("a rate, a window, a number of rounds, faces or workers, and a duration are above 0")
	case !(o.Rate <= mostRate): // nor is it a number that JSON has
		return usagef("a rate of %g: at most %g exchanges a second", o.Rate, float64(mostRate))
	case o.Rate > 0 && o.Rate*o.Duration.Seconds() < float64(o.Repeat):
		return usagef("at a rate of %g nothing is due in some of %d rounds of %s in all: a longer duration or fewer rounds", o.Rate, o.Repeat, o.Duration)
	case o.Scenario == Overload && (o.Rate > 0 || len(o.Strategies) > 0 || len(o.Durability) > 1 || o.To.IsValid()):
		return usagef("%s finds its rate by itself, on a forwarder of its own: leave --rate, --strategy, --durability and --to out", Overload)
	case o.Rate > 0 && o.Window > 0:
		return usagef("a rate (open loop) and a window (closed loop) exclude each other")
	case o.Faces > 1 && (o.Scenario == Overload || o.Scenario == Idle):
		return usagef("%s has one face to the load: leave --faces out", o.Scenario)
	case o.faces() > 4000:
		return usagef("%d faces: a listener takes 4,096 peers (P-11), so at most 4,000", o.faces())
	case o.names() > 1<<20 && o.Scenario != Miss:
		return usagef("%s goes over at most %d names; only %s can have another for each exchange", o.Scenario, 1<<20, Miss)
	case o.names()*uint64(o.faces()) > 100_000 && o.Scenario != Hit && o.Scenario != Miss && o.Scenario != Overload:
		return usagef("%d names for each of %d faces are more subscriptions than a node's tables hold: at most 100,000", o.names(), o.faces())
	case (o.Scenario == Mixed || o.Rate == 0 && (o.Scenario == Hit || o.Scenario == Overload)) && uint64(o.window()) > o.names():
		return usagef("a window of %d needs as many names, not %d: an answer is known by its name", o.window(), o.names())
	case o.To.IsValid() && (len(o.Strategies) > 0 || len(o.Durability) > 1 || o.Workers > 0 || o.Scenario == Idle):
		return usagef("a forwarder that runs already has its own strategy, store and workers, and is not idle: leave these options out with --to")
	}
	return nil
}
