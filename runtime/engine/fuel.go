package engine

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/api"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// slice is how many units of fuel a guest has at most before it comes back to the host for more. Machine code of a guest cannot be interrupted,
// so whoever stops the world, a garbage collection of the process above all, waits for it; a host function is Go, where it can be.
// So many units are less than 0.4 ms of ordinary code and 16 ms where every load misses the caches; to come back takes 0.3 µs.
const slice = 1_000_000

// refillName is the import that a metered guest calls when its slice is used up. Every guest has it.
const refillName = abi.ImportModule + "." + abi.ImportFeatures

// ErrFuel says that a guest was stopped because it used up its fuel: a loop without end, or work that is too much for one
// item.
var ErrFuel = errors.New("it used up its fuel")

// features is the import that tells the host's features. It is also where a metered guest comes for its next slice, and after its memory has
// grown.
func features(ctx context.Context, guest api.Module, stack []uint64) {
	i := instanceOf(ctx, guest)
	if i.fuel != nil && int64(i.fuel.Get()) < 0 {
		i.take(0)
	} else {
		i.charge(0)
	}
	i.touch()
	stack[0] = abi.Features
}

// fuelOf finds the global that package meter has added; nil: the module is not metered.
func fuelOf(guest api.Module) api.MutableGlobal {
	g, _ := guest.ExportedGlobal(fuelExport).(api.MutableGlobal)
	return g
}

// refuel gives the units of a call: a slice at once, the rest when it is asked for.
func (i *Instance) refuel(units int64) {
	i.given, i.reserve = units, 0
	if i.fuel != nil {
		now := min(units, slice)
		i.reserve = units - now
		i.fuel.Set(uint64(now))
	}
}

// take takes units off the fuel, opens the next slice if that makes it less than none, and ends the call if there is none or the host has lost
// its patience.
func (i *Instance) take(units int64) {
	if i.expired.Load() {
		panic(ErrTime)
	}
	if i.fuel == nil {
		return
	}
	left := int64(i.fuel.Get()) - units
	if left < 0 {
		next := min(i.reserve, slice-left)
		i.reserve -= next
		left += next
	}
	i.fuel.Set(uint64(left))
	if left < 0 {
		panic(ErrFuel)
	}
}

// Spent is the fuel that the last call took, in units, and before the first call what start-up took; 0 without a meter.
func (i *Instance) Spent() int64 {
	if i.fuel == nil {
		return 0
	}
	return i.given - i.reserve - int64(i.fuel.Get())
}

// countFuel counts the limit that a call has met which ended for want of fuel.
func (i *Instance) countFuel(in string) {
	switch in {
	case abi.ExportProcess:
		i.hit(LimitItemFuel)
	case abi.ExportIdle:
		i.hit(LimitIdleFuel)
	default:
		i.hit(LimitStartFuel)
	}
}
