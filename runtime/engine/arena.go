package engine

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// region is a part of a guest's memory.
type region struct{ offset, size uint32 }

func (r region) end() uint64 { return uint64(r.offset) + uint64(r.size) }

// arena is where a guest's regions lie, checked once: memory never shrinks, so what is inside stays inside.
type arena struct {
	input, output, state, config, message region
	progress                              uint32
	features                              uint64 // that the guest relies on
	version                               uint32 // of the contract: major, minor in 16 bits each
}

// readArena reads and checks the description that zmesh_init points to.
func readArena(mem api.Memory, at uint32, opt *Options, m *Manifest) (a arena, err error) {
	d, ok := mem.Read(at, abi.ArenaSize)
	if !ok || at == 0 || at%8 != 0 {
		return a, fmt.Errorf("its description at %d is not in the memory of %d bytes, or not at a multiple of 8", at, mem.Size())
	}
	le := binary.LittleEndian
	if size := le.Uint32(d); size < abi.ArenaSize {
		return a, fmt.Errorf("its description has %d bytes, want %d", size, abi.ArenaSize)
	}
	if v := le.Uint32(d[abi.ArenaVersion:]); v>>16 != abi.Major || v&0xFFFF > abi.Minor {
		return a, fmt.Errorf("the plugin speaks version %d.%d of the contract and this host %s", v>>16, v&0xFFFF, versionText(abi.Major, abi.Minor))
	}
	if f := le.Uint64(d[abi.ArenaFeatures:]) &^ abi.Features; f != 0 {
		return a, fmt.Errorf("the plugin relies on features %#x that this host does not have", f)
	}
	at8 := func(off int) region { return region{le.Uint32(d[off:]), le.Uint32(d[off+4:])} }
	a = arena{
		input: at8(abi.ArenaInput), output: at8(abi.ArenaOutput), state: at8(abi.ArenaState),
		config: at8(abi.ArenaConfig), message: at8(abi.ArenaMessage),
	}
	progress := at8(abi.ArenaProgress)
	a.progress, a.features, a.version = progress.offset, le.Uint64(d[abi.ArenaFeatures:]), le.Uint32(d[abi.ArenaVersion:])
	return a, a.check(progress, uint64(mem.Size()), m.needs(a.features, opt))
}

func (a *arena) check(progress region, memory uint64, need room) error {
	list := []struct {
		name string
		region
		least int
	}{
		{"input", a.input, need.input},
		{"output", a.output, need.output},
		{"state", a.state, need.state},
		{"configuration", a.config, 8},
		{"progress", progress, 4},
		{"message", a.message, 0},
	}
	for _, r := range list {
		switch {
		case r.end() > memory:
			return fmt.Errorf("the %s region (%d bytes at %d) reaches beyond the memory of %d bytes", r.name, r.size, r.offset, memory)
		case r.offset%8 != 0:
			return fmt.Errorf("the %s region begins at %d, want a multiple of 8", r.name, r.offset)
		case int(r.size) < r.least:
			return fmt.Errorf("the %s region has %d bytes, want at least %d", r.name, r.size, r.least)
		}
	}
	slices.SortFunc(list, func(x, y struct {
		name string
		region
		least int
	},
	) int {
		return int(int64(x.offset) - int64(y.offset))
	})
	for i := range list[1:] {
		if list[i].end() > uint64(list[i+1].offset) && list[i+1].size > 0 {
			return fmt.Errorf("the %s and %s regions overlap", list[i].name, list[i+1].name)
		}
	}
	return nil
}

// room is how many bytes regions have at least.
type room struct{ input, output, state int }

// needs is the room that a guest's regions must have for what is handed over. Each instance must have it, since what it describes may hang on a clock,
// on chance or on what it has kept.
func (m *Manifest) needs(features uint64, opt *Options) room {
	r := room{input: max(opt.MinInput, 8), output: max(opt.MinOutput, abi.OutHead)}
	if m.Driver != nil {
		r.state = m.Driver.LinkBlock + abi.DriverItems*m.Driver.PeerBlock
	}
	if m.Kind != "strategy" {
		return r
	}
	if features&abi.FeatureScratch != 0 {
		r.state = abi.ScratchSize
	}
	if features&abi.FeatureBatch != 0 {
		r.input, r.output = max(r.input, abi.StrategyBatchInput), max(r.output, abi.StrategyBatchOutput)
		r.state *= abi.StrategyBatch
	}
	return r
}
