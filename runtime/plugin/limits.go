package plugin

import (
	"cmp"

	"github.com/zmesh/zmesh/runtime/engine"
)

// Limits bound one plugin. A field that is zero has the default of the kind; [plugins.limits] sets them.
type Limits struct {
	Memory uint64 // bytes of one instance; the manifest may ask for less. Strategies and drivers: 16 MiB, decoders: 64

	ItemFuel  int64 // units for each item of a call. 1,000,000; decoders: 50,000,000
	StartFuel int64 // units for start-up, init and configuration together. 100,000,000
	IdleFuel  int64 // units for one run of the idle hook. 100,000,000

	engine.AccountLimits

	Output int // commands, records of one item at most; the contract's own number if it is less
}

// options puts the limits over those of the kind.
func (l *Limits) options(o *engine.Options) {
	o.MaxMemory = cmp.Or(l.Memory, o.MaxMemory)
	o.ItemFuel, o.StartFuel, o.IdleFuel = cmp.Or(l.ItemFuel, o.ItemFuel), cmp.Or(l.StartFuel, o.StartFuel), cmp.Or(l.IdleFuel, o.IdleFuel)
	if l.Output > 0 {
		o.MaxOutput = min(l.Output, o.MaxOutput)
	}
}
