package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Instance is a running copy of a module. It is used by one goroutine at a time; who uses it sees to that.
type Instance struct {
	mod     *Module
	ctx     context.Context // carries the instance to host functions
	guest   api.Module
	mem     api.Memory
	process api.Function
	fuel    api.MutableGlobal // nil: unmetered
	stack   [1]uint64
	arena   arena
	dead    bool
	begun   bool         // it is configured
	idle    api.Function // nil: none
	given   int64        // fuel of the call
	reserve int64        // what of it is not in its slice yet
	touched uint32       // how much of the memory has been touched
	expired atomic.Bool
	born    time.Time

	ticks time.Duration // of the clock that is not granted
	seed  uint64        // of the randomness that is not granted
	said  []byte        // the last that it printed
	line  []byte        // of what it prints, up to the next line feed
}

// instanceKey finds the instance in a context.
type instanceKey struct{}

// instanceContext gives the instance without a search through other contexts.
type instanceContext struct {
	context.Context
	instance *Instance
}

func (c *instanceContext) Value(key any) any {
	if key == (instanceKey{}) {
		return c.instance
	}
	return c.Context.Value(key)
}

// instanceOf gives the instance that a host function is called by.
func instanceOf(ctx context.Context, guest api.Module) *Instance {
	i := ctx.Value(instanceKey{}).(*Instance)
	if i.guest == nil && i.fuel == nil {
		i.fuel = fuelOf(guest) // its start function runs: Instantiate has not seen it yet, and what it calls is to be paid for
	}
	return i
}

// ErrDead says that an instance was called after a trap or after it was closed.
var ErrDead = errors.New("the instance is dead")

// Instantiate makes an instance: memory, start-up code, arena, configuration. config is a list of values as in
// abi.AppendValues; empty: an empty list. What goes wrong in the guest is a [Trap].
func (m *Module) Instantiate(ctx context.Context, config []byte) (*Instance, error) {
	i := &Instance{mod: m, born: time.Now()}
	i.given, i.reserve = m.opt.StartFuel, m.opt.StartFuel-m.opt.initial()
	i.ctx = &instanceContext{context.Background(), i} // not of ctx: the instance outlives the call
	guest, err := m.runtime.InstantiateModule(i.ctx, m.code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, i.trap("the start function", -1, 0, err)
	}
	i.guest, i.mem = guest, guest.Memory()
	i.fuel = fuelOf(guest)
	if err := i.begin(config); err != nil {
		i.Close()
		return nil, err
	}
	i.touch()
	i.begun = true
	return i, nil
}

// touch writes to every page of the memory that is new, as the kernel makes each at its first touch: some 3 µs that no fuel counts, and in which
// a guest cannot be interrupted.
func (i *Instance) touch() {
	const systemPage = 4096
	for i.mem != nil && i.touched < i.mem.Size() {
		b, _ := i.mem.ReadByte(i.touched)
		i.mem.WriteByte(i.touched, b)
		i.touched += systemPage
	}
}

func (i *Instance) begin(config []byte) error {
	for name, want := range map[string]string{abi.ExportInit: " i32", abi.ExportConfigure: "i32 i32", abi.ExportProcess: "i32 i32"} {
		if have := signature(i.guest.ExportedFunction(name).Definition()); have != want {
			return fmt.Errorf("the module's %s has the type (%s), want (%s)", name, have, want)
		}
	}
	if initialize := i.guest.ExportedFunction(abi.ExportInitialize); initialize != nil {
		if have := signature(initialize.Definition()); have != " " {
			return fmt.Errorf("the module's %s has the type (%s), want none", abi.ExportInitialize, have)
		}
		if err := initialize.CallWithStack(i.ctx, i.stack[:]); err != nil {
			return i.trap("start-up", -1, 0, err)
		}
	}
	if err := i.guest.ExportedFunction(abi.ExportInit).CallWithStack(i.ctx, i.stack[:]); err != nil {
		return i.trap(abi.ExportInit, -1, 0, err)
	}
	var err error
	if i.arena, err = readArena(i.mem, uint32(i.stack[0]), &i.mod.opt, i.mod.Manifest); err != nil {
		return fmt.Errorf("arena: %w", err)
	}
	i.process = i.guest.ExportedFunction(abi.ExportProcess)
	if i.idle = i.guest.ExportedFunction(abi.ExportIdle); i.idle != nil {
		if have := signature(i.idle.Definition()); have != " " {
			return fmt.Errorf("the module's %s has the type (%s), want none", abi.ExportIdle, have)
		}
	}
	return i.configure(config)
}

// signature writes a function's type as "parameters results".
func signature(d api.FunctionDefinition) string {
	s := ""
	for _, t := range d.ParamTypes() {
		s += api.ValueTypeName(t)
	}
	s += " "
	for _, t := range d.ResultTypes() {
		s += api.ValueTypeName(t)
	}
	return s
}

func (i *Instance) configure(config []byte) error {
	if len(config) == 0 {
		config, _ = abi.AppendValues(nil, nil)
	}
	if len(config) > int(i.arena.config.size) {
		return fmt.Errorf("the configuration takes %d bytes and the plugin has room for %d", len(config), i.arena.config.size)
	}
	i.mem.Write(i.arena.config.offset, config) // within the memory: readArena has checked
	i.stack[0] = uint64(len(config))
	if err := i.guest.ExportedFunction(abi.ExportConfigure).CallWithStack(i.ctx, i.stack[:]); err != nil {
		return i.trap(abi.ExportConfigure, -1, 0, err)
	}
	if n := uint32(i.stack[0]); n != 0 {
		text, _ := i.mem.Read(i.arena.message.offset, min(n, i.arena.message.size))
		return fmt.Errorf("the plugin refuses its configuration: %s", clean(text))
	}
	return nil
}

// Input is the region that the host writes items to. It is valid until the next Call.
func (i *Instance) Input() []byte {
	b, _ := i.mem.Read(i.arena.input.offset, i.arena.input.size)
	return b
}

// State is the region in which a guest reads and writes what the host keeps for it; empty if it has none. It is valid until the next
// Call.
func (i *Instance) State() []byte {
	b, _ := i.mem.Read(i.arena.state.offset, i.arena.state.size)
	return b
}

// Call hands over n items that stand in the input region. It gives the output region, valid until the next Call: one item
// for each, see [NextItem]. The error is a *Trap; the outputs of the items before Trap.Item stand even then.
func (i *Instance) Call(n int) ([]byte, error) { return i.CallWith(n, 0) }

// CallWith is Call with fuel for so many bytes, too: see [Options.ByteFuel].
func (i *Instance) CallWith(n, bytes int) ([]byte, error) {
	return i.CallFor(n, int64(max(n, 1))*i.mod.opt.ItemFuel+int64(bytes)*i.mod.opt.ByteFuel)
}

// CallFor is Call with so many units of fuel for all items together.
func (i *Instance) CallFor(n int, units int64) ([]byte, error) {
	if i.dead {
		return nil, ErrDead
	}
	i.mem.WriteUint32Le(i.arena.progress, abi.ProgressNone)
	i.stack[0] = uint64(n)
	i.refuel(units)
	err := i.process.CallWithStack(i.ctx, i.stack[:])
	out, _ := i.mem.Read(i.arena.output.offset, i.arena.output.size)
	switch {
	case err != nil:
	case i.stack[0] != uint64(n):
		err = fmt.Errorf("it gave %d for %d items", uint32(i.stack[0]), n)
	case i.expired.Load():
		err = ErrTime
	default:
		return out, nil
	}
	return out, i.trap(abi.ExportProcess, i.reached(n), n, err)
}

// ItemFuel is [Options.ItemFuel], as it holds.
func (i *Instance) ItemFuel() int64 { return i.mod.opt.ItemFuel }

// HasIdle tells whether the module has an idle hook.
func (i *Instance) HasIdle() bool { return i.idle != nil }

// Idle runs the idle hook, which has fuel of its own, if there is one. The error is a *Trap.
func (i *Instance) Idle() error {
	if i.dead {
		return ErrDead
	}
	if i.idle == nil {
		return nil
	}
	i.refuel(i.mod.opt.IdleFuel)
	err := i.idle.CallWithStack(i.ctx, i.stack[:])
	if err == nil && i.expired.Load() {
		err = ErrTime // the next call is not to blame
	}
	if err != nil {
		return i.trap(abi.ExportIdle, -1, 0, err)
	}
	return nil
}

// Expire ends the host's patience with an instance: the next host function that it calls is a trap, at the latest when its slice of fuel
// ends, and so is the end of the call. It may be called from another goroutine.
func (i *Instance) Expire() { i.expired.Store(true) }

// ErrTime says that a guest was stopped because its call took too long, though it had fuel left.
var ErrTime = errors.New("its call took too long")

func (i *Instance) hit(l Limit) { i.mod.account.Load().Hit(l) }

// reached is the item that the guest was at by its own account; -1 if it had not begun, or the account cannot be.
func (i *Instance) reached(n int) int {
	if p, ok := i.mem.ReadUint32Le(i.arena.progress); ok && p < uint32(n) {
		return int(p)
	}
	return -1
}

// Fail ends the instance for an output that cannot be: what wrote it may have written anywhere. It gives the *Trap for it.
func (i *Instance) Fail(item, n int, cause error) error {
	return i.trap(abi.ExportProcess, item, n, cause)
}

// Features are the bits of the host's features that the guest relies on.
func (i *Instance) Features() uint64 { return i.arena.features }

// CheckRange tells whether the manifest promises what the guest does not keep: a host of the version in abi.min would refuse its arena.
// It is for the author, since this host can work with the guest.
func (i *Instance) CheckRange() error {
	speaks := versionText(int(i.arena.version>>16), int(i.arena.version&0xFFFF))
	if low := i.mod.Manifest.ABI.Min; versionNumber(low) < int(i.arena.version) {
		return fmt.Errorf("its abi.min is %s and it speaks version %s of the contract, which a host of %s refuses: write min = %q in [abi]", low, speaks, low, speaks)
	}
	return nil
}

// ErrOutput says that an item of the output has more in it than [Options.MaxOutput].
var ErrOutput = errors.New("its output has more for one item than it may have")

// MaxOutput is [Options.MaxOutput], for whoever takes the output apart.
func (i *Instance) MaxOutput() int { return i.mod.opt.MaxOutput }

// Memory is the size of the linear memory in bytes.
func (i *Instance) Memory() uint64 { return uint64(i.mem.Size()) }

// MaxMemory is what it may have in bytes.
func (i *Instance) MaxMemory() uint64 { return i.mod.opt.memory(i.mod.Manifest) }

// Born is when it was made.
func (i *Instance) Born() time.Time { return i.born }

// Dead tells whether the instance has trapped or was closed.
func (i *Instance) Dead() bool { return i.dead }

// Close frees the instance. It must not be at work.
func (i *Instance) Close() {
	i.dead = true
	if i.guest != nil {
		i.guest.Close(context.Background())
		i.guest = nil
	}
}

// NextItem splits the first item off an output: its head and what belongs to it, and the rest. ok is false if its size
// cannot be.
func NextItem(out []byte) (item, rest []byte, ok bool) {
	if len(out) < abi.OutHead {
		return nil, nil, false
	}
	size := binary.LittleEndian.Uint32(out)
	if size < abi.OutHead || size%8 != 0 || size > uint32(len(out)) {
		return nil, nil, false
	}
	return out[:size], out[size:], true
}
