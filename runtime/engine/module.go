package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/zmesh/zmesh/runtime/engine/meter"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Options are what a module is loaded with. The zero value grants nothing and has the default limits.
type Options struct {
	Grants []string // capabilities, of [Capabilities]

	// MaxModule bounds the module's size in bytes, before anything of it is read. 0: 16 MiB; a Go guest has about 2.
	MaxModule int

	// MaxMemory bounds the linear memory of one instance in bytes, whatever the manifest asks for. 0: 64 MiB: a Go guest
	// starts with 2.4 and its heap grows by 4 at a time.
	MaxMemory uint64

	// MinInput and MinOutput are what the caller needs of the regions, in bytes.
	MinInput, MinOutput int

	// MaxOutput is how many commands, frames or records one item of the output may have; see [Instance.MaxOutput].
	MaxOutput int

	// CacheDir keeps compiled modules over restarts. It holds machine code that will be run, so it is made with mode 0700
	// and refused if others may write to it. Empty: no cache.
	CacheDir string

	// Interpret runs the module without compiling it: a Go guest is there in a tenth of the time (70 ms instead of 650) and
	// runs many times slower. For tools that decode a few payloads. CacheDir has no meaning then.
	Interpret bool

	// ItemFuel bounds what each item of a call may cost, in units of package meter, about an instruction each; what one item
	// leaves over serves the next of the batch. 0: 1,000,000, with which a runaway ends within some 20 ms. A Go guest's
	// decision takes 6,000 to 53,000.
	ItemFuel int64

	// ByteFuel is what each byte of the items may cost besides: for a kind whose items are of very different length.
	ByteFuel int64

	// StartFuel is for start-up, init and configuration together. 0: 60,000,000; a Go guest takes 17 to 22 million.
	StartFuel int64

	// IdleFuel is for one run of the idle hook. 0: 150,000,000: to collect the garbage of a Go guest takes 40 to 92 million units and
	// one to two ms where little is kept.
	IdleFuel int64

	// Account is what the module counts on once [Module.Activate] was called. nil: one of its own.
	Account *Account

	// Compiler compiles what is not in CacheDir in a process of its own. nil: it is compiled here, which takes as much time and
	// memory of this process as package meter lets a module have.
	Compiler *Compiler

	// Unmetered leaves the fuel out: to measure what it costs.
	Unmetered bool

	// Log takes a line of an instance that is granted "log", within the quota; also what it prints. nil: dropped.
	Log func(level int, text string)
}

const (
	defaultMaxModule = 16 << 20
	defaultMaxMemory = 64 << 20
	defaultItemFuel  = 1_000_000
	defaultStartFuel = 60_000_000
	defaultIdleFuel  = 150_000_000
	page             = 64 << 10

	fuelExport = "zmesh_fuel" // the name of the global that package meter adds
)

// coreFeatures of core wasm that the contract allows. SIMD is not among them: the meter refuses it.
const coreFeatures = api.CoreFeatureMutableGlobal | api.CoreFeatureSignExtensionOps |
	api.CoreFeatureNonTrappingFloatToIntConversion | api.CoreFeatureBulkMemoryOperations

// Info is what is known of a module without running it.
type Info struct {
	Binary   *Binary
	Manifest *Manifest
	Digest   string // SHA-256 of the bytes as they came, hex
	Size     int    // bytes
}

// Read parses a module and its manifest. Nothing is compiled or run.
func Read(code []byte) (*Info, error) {
	b, err := parse(code)
	if err != nil {
		return nil, err
	}
	m, err := b.manifest()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(code)
	return &Info{Binary: b, Manifest: m, Digest: hex.EncodeToString(sum[:]), Size: len(code)}, nil
}

// Check tells why this host would refuse the module under these options; nil if it would compile it.
func (i *Info) Check(opt Options) error {
	if err := CheckGrants(opt.Grants); err != nil {
		return err
	}
	// The imports first: they name the version even where the manifest is of another one.
	if err := checkImports(i.Binary, opt.Grants); err != nil {
		return err
	}
	if err := i.Manifest.fits(); err != nil {
		return err
	}
	if err := checkCapabilities(i.Manifest, opt.Grants); err != nil {
		return err
	}
	return i.checkShape(opt)
}

// checkShape looks for the exports and bounds the memory.
func (i *Info) checkShape(opt Options) error {
	if !i.Binary.exports(abi.ExportMemory, kindMemory) {
		return fmt.Errorf("the module does not export %q", abi.ExportMemory)
	}
	for _, name := range []string{abi.ExportInit, abi.ExportConfigure, abi.ExportProcess} {
		if !i.Binary.exports(name, kindFunction) {
			return fmt.Errorf("the module does not export %q", name)
		}
	}
	if i.Binary.Memories != 1 {
		return fmt.Errorf("the module has %d memories, want one of its own", i.Binary.Memories)
	}
	limit := opt.memory(i.Manifest)
	if have := uint64(i.Binary.MemoryMin) * page; have > limit {
		return fmt.Errorf("the module starts with %d KiB of memory and may have %d", have>>10, limit>>10)
	}
	return nil
}

// memory is the bound for one instance in bytes: what the manifest asks for, but not more than the host allows.
func (o *Options) memory(m *Manifest) uint64 {
	limit := o.MaxMemory
	if limit == 0 {
		limit = defaultMaxMemory
	}
	if m.Memory > 0 {
		limit = min(limit, m.Memory)
	}
	return limit
}

// Module is a compiled module, in a runtime of its own. Instances are made and closed from any goroutine.
type Module struct {
	Info
	opt     Options
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	code    wazero.CompiledModule

	clock, random bool // granted
	started       time.Time
	account       atomic.Pointer[Account]
}

// Load checks and compiles a module. code is not kept.
func Load(ctx context.Context, code []byte, opt Options) (*Module, error) {
	limit := opt.MaxModule
	if limit == 0 {
		limit = defaultMaxModule
	}
	if len(code) > limit {
		return nil, fmt.Errorf("the module has %d bytes and may have %d", len(code), limit)
	}
	info, err := Read(code)
	if err != nil {
		return nil, err
	}
	if err := info.Check(opt); err != nil {
		return nil, err
	}
	_, opt.ItemFuel, opt.StartFuel, opt.IdleFuel = opt.Bounds(info.Manifest)
	m := &Module{
		Info: *info, opt: opt, started: time.Now(),
		clock: slices.Contains(opt.Grants, CapClock), random: slices.Contains(opt.Grants, CapRandom),
	}
	if opt.Account == nil {
		m.opt.Account = NewAccount(AccountLimits{})
	}
	m.account.Store(NewAccount(m.opt.Account.limits))
	if err := m.compile(ctx, code); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// meter bounds what can be compiled and lets the module count its fuel.
func (o *Options) meter(code []byte, m *Manifest) ([]byte, error) {
	if o.Unmetered {
		return code, nil
	}
	out, _, err := meter.Meter(code, meter.Options{FuelExport: fuelExport, Refill: refillName, MaxPages: o.pages(m), Initial: o.initial()})
	return out, err
}

// initial is the fuel that an instance begins with, for a start function, which runs before the host can set it.
func (o *Options) initial() int64 { return min(o.StartFuel, slice) }

// Bounds gives what an instance of a module may have under these options: bytes of memory, and fuel for each item, for start-up and for
// the idle hook.
func (o *Options) Bounds(m *Manifest) (memory uint64, item, start, idle int64) {
	return o.memory(m), cmp.Or(o.ItemFuel, defaultItemFuel), cmp.Or(o.StartFuel, defaultStartFuel), cmp.Or(o.IdleFuel, defaultIdleFuel)
}

// pages is the bound for the memory of one instance in pages of 64 KiB.
func (o *Options) pages(m *Manifest) uint32 { return uint32(min(o.memory(m)/page, 65536)) }

func (m *Module) compile(ctx context.Context, code []byte) (err error) {
	cfg := runtimeConfig(m.opt.Interpret).WithMemoryLimitPages(m.opt.pages(m.Manifest))
	if m.opt.CacheDir == "" || m.opt.Interpret {
		if code, err = m.opt.meter(code, m.Manifest); err != nil {
			return err
		}
	} else {
		var dir string
		if dir, code, err = m.opt.cached(ctx, code, m.Manifest); err != nil {
			return err
		}
		if m.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return fmt.Errorf("compile cache %s: %w", dir, err)
		}
		cfg = cfg.WithCompilationCache(m.cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, cfg)
	if m.code, err = m.runtime.CompileModule(ctx, code); err != nil {
		return fmt.Errorf("compile the module: %w", firstLine(err))
	}
	return m.offer(ctx)
}

// offer instantiates what the module imports.
func (m *Module) offer(ctx context.Context) error {
	modules := map[string]wazero.HostModuleBuilder{}
	for _, i := range m.Binary.Imports {
		b := modules[i.Module]
		if b == nil {
			b = m.runtime.NewHostModuleBuilder(i.Module)
			modules[i.Module] = b
		}
		fn, params, results := hostFunction(i)
		b.NewFunctionBuilder().WithGoModuleFunction(fn, params, results).Export(i.Name)
	}
	for name, b := range modules {
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("offer %s: %w", name, firstLine(err))
		}
	}
	return nil
}

func hostFunction(i Import) (fn api.GoModuleFunc, params, results []api.ValueType) {
	if i.Module == wasiModule {
		return wasiFunction(i.Name)
	}
	return contractFunction(i.Name)
}

// Close frees the machine code. All instances must have been closed: running code would be taken away under them.
func (m *Module) Close() error {
	ctx := context.Background()
	var errs []error
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(ctx))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(ctx))
	}
	return errors.Join(errs...)
}

// Activate lets the module count on the account that it was loaded with. Until then it has one of its own, so that a version which
// is only tried changes nothing. It tells how many values of another state schema were dropped.
func (m *Module) Activate() (dropped int) {
	dropped = m.opt.Account.SetSchema(m.Manifest.State)
	m.account.Store(m.opt.Account)
	return dropped
}
