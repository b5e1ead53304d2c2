package plugin

import (
	"context"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
)

// Kind is what a plugin is to the host.
type Kind string

// The kinds. One without a [trade] is refused with a sentence.
const (
	KindStrategy Kind = "strategy"
	KindDecoder  Kind = "decoder"
	KindDriver   Kind = "driver"
)

// BestRoute is the name of the strategy that is built into the core and needs no module.
const BestRoute = "best-route"

// Source is where a module comes from. Exactly one of the first three fields is set.
type Source struct {
	Path    string // a file
	Builtin string // one that ships in the binary, by name
	Bytes   []byte // the module itself, as the admin API receives it

	Was string // of Bytes: where they came from, for people
}

// Spec is what a plugin is loaded with.
type Spec struct {
	Name   string         // how the rest of the configuration refers to it
	Source Source         // the module
	Grants []string       // capabilities, by name; empty: none
	Config map[string]any // checked against the manifest's schema; string, int64, float64 or bool by dotted key or nested table
	Limits Limits         // zero: the defaults
}

// State is where a plugin is in its life.
type State string

// The states.
const (
	StateProvisioning State = "provisioning" // being compiled
	StateValidating   State = "validating"   // its vectors run
	StateRunning      State = "running"
	StateQuarantined  State = "quarantined" // it trapped too often: it does nothing until its pause is over
	StateClosing      State = "closing"     // no longer reachable; the last call in it ends
)

// trade is what differs from kind to kind in the life of a plugin.
type trade interface {
	// options sets what the kind needs of the engine: sizes of regions, and limits where they are not the engine's own.
	options(*engine.Options)

	// validate tries the first instance of a version. An error ends the version before it has begun.
	validate(*version, *engine.Instance) error

	// crew makes the instances that a version begins with; first, which has been validated, is one of them. Nobody works in
	// them yet. On an error it has closed them all.
	crew(ctx context.Context, p *loaded, v *version, first *engine.Instance) (crew, error)
}

// trades are the kinds that this host runs.
var trades = map[Kind]trade{KindStrategy: strategyTrade{}, KindDecoder: decoderTrade{}, KindDriver: driverTrade{}}

// crew is the instances of one version of a plugin. Its methods are called with the plugin's lock held, but for watch.
type crew interface {
	// begin lets whoever comes from now on work with it. The crew before is whole until close.
	begin()

	// stop lets nobody come any more, where no other crew has begun.
	stop()

	// close waits until nobody is in an instance and closes them all. Another crew has begun, or this one was stopped.
	close()

	// mend puts fresh instances in where some have trapped, and gives how many. Why one could not be made is the error.
	mend(context.Context) (int, error)

	// tend does what can wait for a quiet moment: idle hooks, an instance in place of one that is too old or too large, a spare.
	tend(ctx context.Context, now time.Time)

	// watch gives how many calls are found to last longer than the plugin's call_time, each once, and expires those that last far longer. It
	// is called every watchEvery, by one goroutine; late says that it comes late. While it says active it is called so often; when it
	// has not been for a while, only every lookEvery until there is a call.
	watch(late bool) (slow int, active bool)

	// tell adds its counts to a status.
	tell(*Status)
}
