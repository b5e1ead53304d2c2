package plugin

import (
	"cmp"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
)

// Limits bound one plugin. A field that is zero has the default of the kind; [plugins.limits] sets them.
type Limits struct {
	Memory uint64 // bytes of one instance; the manifest may ask for less. Strategies and drivers: 16 MiB, decoders: 64

	ItemFuel  int64 // units for each item of a call. 1,000,000; decoders: 50,000,000
	StartFuel int64 // units for start-up, init and configuration together. 60,000,000
	IdleFuel  int64 // units for one run of the idle hook. 150,000,000

	engine.AccountLimits

	Output int // commands, records of one item at most; the contract's own number if it is less

	// CallTime is how long a call may take, whatever fuel it has left, until it is counted and told; after ten times as long it is ended, if
	// it can be. 100 ms: of what fuel counts no budget of a strategy takes more than 50.
	CallTime time.Duration

	// Traps within Window that are too many: the version before comes back, or the plugin is quarantined. 5 in a minute.
	Traps  int
	Window time.Duration

	// MaxAge is how old an instance becomes until a fresh one takes its place. 24 h.
	MaxAge time.Duration

	// Recycle is how much memory an instance may have grown to until a fresh one takes its place, in bytes. Three quarters of Memory.
	Recycle uint64
}

func (l *Limits) callTime() time.Duration { return cmp.Or(l.CallTime, 100*time.Millisecond) }
func (l *Limits) traps() int              { return cmp.Or(l.Traps, 5) }
func (l *Limits) window() time.Duration   { return cmp.Or(l.Window, time.Minute) }
func (l *Limits) maxAge() time.Duration   { return cmp.Or(l.MaxAge, 24*time.Hour) }

// options puts the limits over those of the kind.
func (l *Limits) options(o *engine.Options) {
	o.MaxMemory = cmp.Or(l.Memory, o.MaxMemory)
	o.ItemFuel, o.StartFuel, o.IdleFuel = cmp.Or(l.ItemFuel, o.ItemFuel), cmp.Or(l.StartFuel, o.StartFuel), cmp.Or(l.IdleFuel, o.IdleFuel)
	if l.Output > 0 {
		o.MaxOutput = min(l.Output, o.MaxOutput)
	}
}
