package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
)

// Options are what a Manager needs of the host.
type Options struct {
	Workers  int                              // of the node; 0: 1
	Pool     int                              // instances of each decoder at most; 0: 2
	CacheDir string                           // compile cache, made with mode 0700; empty: none
	Log      func(plugin, level, text string) // lines of plugins that are granted "log"; called under a worker's mutex, so it must not block; nil: dropped
	Journal  func(Entry)                      // called with each step, with the plugin's lock held: it must not call the Manager; nil: only kept in memory
	Now      func() time.Time                 // for the journal; nil: time.Now

	// Interpret runs modules without compiling them: they come up in a tenth of the time and run many times slower. For tools
	// that decode a few payloads.
	Interpret bool

	// JournalFile keeps the journal over restarts, within 2 MiB; its folder is made. Empty: it is kept in memory, the last 1,000 steps.
	JournalFile string

	// Compiler compiles what is not in CacheDir in a process of its own. nil, or without a CacheDir: modules are compiled in this
	// process.
	Compiler *engine.Compiler
}

const defaultPool = 2

// Manager holds the plugins of a node by name. All methods are safe for concurrent use.
//
// Locks: Manager.mu (the maps) is never held while a plugin's own is taken or a module is compiled; loaded.mu (one life-cycle
// step at a time) may be held while Manager.mu is taken.
type Manager struct {
	opt     Options
	journal journal

	mu      sync.Mutex
	plugins map[string]*loaded
	holders map[string][]*StrategyHolder // by name, one for each worker; they outlive the plugin
	links   map[string][]*DriverLink     // by name, one for each open line
	closed  bool

	seats atomic.Uint32 // how many there have been

	wake   chan struct{} // an instance has trapped
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // the repairer has ended

	watched chan struct{} // who watches has ended
	tick    chan struct{} // it is time for the repairer to tend
	dozing  atomic.Bool   // who watches looks every second only
	rouse   chan struct{} // until this
}

// loaded is a plugin under a name.
type loaded struct {
	manager *Manager
	name    string
	spec    Spec
	account *engine.Account

	mu   sync.Mutex // one step of the life cycle at a time
	gone bool       // unloaded; under mu

	live  atomic.Pointer[live]
	gate  sync.RWMutex // held for reading while a caller enters the pool of live, for writing while live is replaced
	state atomic.Value // State

	// The rest of the life cycle, under mu.
	previous atomic.Pointer[former] // what to come back to; nil: nothing
	recent   []time.Time            // traps within the window
	pause    time.Duration          // the last one in quarantine
	until    time.Time              // when it ends
	resumed  time.Time              // when the last one ended

	saidSlow time.Time // of who watches

	calls, traps, swaps, returned, recycled atomic.Uint64 // calls and traps of pools; what has places counts there
	skipped                                 atomic.Uint64
	fuel, took                              histogram // of pools
	lastTrap                                atomic.Pointer[TrapReport]
	accidents                               accidents
}

// live is what of a plugin is at work. It is replaced, never changed.
type live struct {
	kind    Kind
	version *version
	crew    crew
}

// replace changes what is at work, and gives what was.
func (p *loaded) replace(next *live) (before *live) {
	p.gate.Lock()
	defer p.gate.Unlock()
	return p.live.Swap(next)
}

// Errors that a caller may decide on.
var (
	ErrUnknown = errors.New("there is no plugin of that name")
	ErrTaken   = errors.New("there is a plugin of that name already")
	ErrKind    = errors.New("the plugin is of another kind")
	ErrClosed  = errors.New("the node is stopping")
)

// NewManager makes an empty one. It starts two goroutines, which Close ends.
func NewManager(opt Options) (*Manager, error) {
	if opt.Workers < 0 || opt.Pool < 0 {
		return nil, fmt.Errorf("plugin: %d workers and a pool of %d: want none below 0", opt.Workers, opt.Pool)
	}
	opt.Workers = max(opt.Workers, 1)
	if opt.Pool == 0 {
		opt.Pool = defaultPool
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	m := &Manager{
		opt: opt, plugins: map[string]*loaded{}, holders: map[string][]*StrategyHolder{}, links: map[string][]*DriverLink{},
		wake: make(chan struct{}, 1), done: make(chan struct{}), watched: make(chan struct{}),
		tick: make(chan struct{}, 1), rouse: make(chan struct{}, 1),
	}
	m.journal = journal{now: opt.Now, also: opt.Journal}
	if opt.JournalFile != "" {
		file, list, err := openJournal(opt.JournalFile, maxJournal)
		if err != nil {
			return nil, err
		}
		m.journal.file, m.journal.list = file, list[max(len(list)-journalSize, 0):]
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	go m.repair()
	go m.watch()
	return m, nil
}

// Load brings up a plugin under a new name: provision, validate, run. On an error nothing of it is left.
func (m *Manager) Load(ctx context.Context, spec Spec) error {
	p, err := m.reserve(spec)
	if err != nil {
		return fmt.Errorf("load plugin %q: %w", spec.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	v, err := m.bringUp(ctx, p, spec.Source)
	if err != nil {
		m.forget(p)
		p.note(Entry{What: "refused", Who: By(ctx), Why: err.Error()})
		return fmt.Errorf("load plugin %q: %w", spec.Name, err)
	}
	p.note(Entry{What: "loaded", Who: By(ctx), Digest: v.module.Digest, Why: spec.Source.String()})
	return nil
}

// bringUp takes a version through its life up to running. p.mu is held.
func (m *Manager) bringUp(ctx context.Context, p *loaded, src Source) (*version, error) {
	v, first, err := m.provision(ctx, p, src)
	if err != nil {
		return nil, err
	}
	return v, m.run(ctx, p, v, first)
}

// reserve takes a name, so that no second plugin comes up under it.
func (m *Manager) reserve(spec Spec) (*loaded, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case spec.Name == "":
		return nil, errors.New("it has no name")
	case m.closed:
		return nil, ErrClosed
	case m.plugins[spec.Name] != nil:
		return nil, ErrTaken
	}
	p := &loaded{manager: m, name: spec.Name, spec: spec, account: engine.NewAccount(spec.Limits.AccountLimits)}
	p.state.Store(StateProvisioning)
	m.plugins[spec.Name] = p
	return p, nil
}

func (m *Manager) forget(p *loaded) {
	p.gone = true
	m.mu.Lock()
	delete(m.plugins, p.name)
	m.mu.Unlock()
}

// provision reads, checks, compiles and configures a version, makes its first instance and validates it.
func (m *Manager) provision(ctx context.Context, p *loaded, src Source) (*version, *engine.Instance, error) {
	info, code, err := inspect(src)
	if err != nil {
		return nil, nil, err
	}
	kind := Kind(info.Manifest.Kind)
	trade, err := tradeOf(kind)
	if err != nil {
		return nil, nil, err
	}
	if l := p.live.Load(); l != nil && l.kind != kind {
		return nil, nil, fmt.Errorf("it is a %s, and %q is a %s: %w", kind, p.name, l.kind, ErrKind)
	}
	v := &version{source: src, since: m.opt.Now()}
	if src.Builtin == "" {
		v.code = code
	}
	if v.config, err = encodeConfig(info.Manifest, p.spec.Config); err != nil {
		return nil, nil, err
	}
	if err = v.own(info.Manifest); err != nil {
		return nil, nil, err
	}
	if v.module, err = engine.Load(ctx, code, m.engineOptions(p, kind)); err != nil {
		return nil, nil, err
	}
	p.state.Store(StateValidating)
	first, err := v.validated(ctx, trade)
	if err != nil {
		return nil, nil, errors.Join(err, v.module.Close())
	}
	return v, first, nil
}

func (m *Manager) engineOptions(p *loaded, kind Kind) engine.Options {
	o := engineOptions(kind, p.spec.Grants)
	p.spec.Limits.options(&o)
	o.CacheDir, o.Interpret, o.Compiler, o.Account = m.opt.CacheDir, m.opt.Interpret, m.opt.Compiler, p.account
	if log := m.opt.Log; log != nil {
		levels := [...]string{"debug", "info", "warn", "error"}
		o.Log = func(level int, text string) { log(p.name, levels[min(max(level, 0), 3)], text) }
	}
	return o
}

// run puts a version to work in place of the one before, if any, and cleans that up. On an error the one before has never stopped.
func (m *Manager) run(ctx context.Context, p *loaded, v *version, first *engine.Instance) error {
	kind := Kind(v.module.Manifest.Kind)
	crew, err := trades[kind].crew(ctx, p, v, first)
	if err != nil {
		return errors.Join(err, v.module.Close())
	}
	if n := v.module.Activate(); n > 0 {
		p.note(Entry{What: "forgotten", Digest: v.module.Digest, Why: fmt.Sprintf("%d values of another state schema", n)})
	}
	crew.begin()
	m.stir() // for its spare
	before := p.replace(&live{kind: kind, version: v, crew: crew})
	p.state.Store(StateRunning)
	m.cleanUp(p, before)
	return nil
}

// cleanUp closes what is no longer at work, once nobody is in it. What cannot be closed is in the journal: the step that it
// belongs to is done all the same.
func (m *Manager) cleanUp(p *loaded, before *live) {
	if before == nil {
		return
	}
	before.crew.close()
	if err := before.version.module.Close(); err != nil {
		p.note(Entry{What: "refused", Digest: before.version.module.Digest, Why: "clean up: " + err.Error()})
	}
}

// Swap replaces the version of a plugin by another while it runs. Grants and configuration stay. On an error the old version has
// never stopped.
func (m *Manager) Swap(ctx context.Context, name string, src Source) error {
	p, err := m.find(name)
	if err != nil {
		return fmt.Errorf("swap: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return fmt.Errorf("swap: %q: %w", name, ErrUnknown)
	}
	return m.swap(ctx, p, src, "swapped")
}

// swap replaces the version at work by another. p.mu is held.
func (m *Manager) swap(ctx context.Context, p *loaded, src Source, what string) error {
	state, from := p.state.Load(), formerOf(p.live.Load().version)
	v, err := m.bringUp(ctx, p, src)
	if err != nil {
		p.state.Store(state)
		p.note(Entry{What: "refused", Who: By(ctx), Digest: from.digest, Why: "not " + what + " to " + src.String() + ": " + err.Error()})
		return fmt.Errorf("swap plugin %q, which runs on as it was: %w", p.name, err)
	}
	p.swaps.Add(1)
	p.recent, p.pause = nil, 0
	p.previous.Store(from)
	p.note(Entry{What: what, Who: By(ctx), Digest: v.module.Digest, From: from.digest, Why: src.String()})
	return nil
}

// find gives a plugin that is there.
func (m *Manager) find(name string) (*loaded, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.plugins[name]
	if p == nil {
		return nil, fmt.Errorf("%q: %w", name, ErrUnknown)
	}
	return p, nil
}

// Unload takes a plugin out. Strategies handed out by it decide as best-route from then on, until one of that name is loaded.
func (m *Manager) Unload(ctx context.Context, name string) error {
	p, err := m.find(name)
	if err != nil {
		return fmt.Errorf("unload: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return fmt.Errorf("unload: %q: %w", name, ErrUnknown)
	}
	p.state.Store(StateClosing)
	before := p.replace(nil)
	before.crew.stop()
	m.cleanUp(p, before)
	m.forget(p)
	if ctx == m.ctx {
		p.note(Entry{What: "unloaded", Digest: before.version.module.Digest, Why: "the node stops"})
		return nil
	}
	p.note(Entry{What: "unloaded", Who: By(ctx), Digest: before.version.module.Digest})
	return nil
}

// what names the kind for errors.
func (l *live) what() string {
	if l == nil {
		return "not running yet"
	}
	return "a " + string(l.kind)
}

// Close ends all plugins and waits for what works for them.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	names := slices.Sorted(maps.Keys(m.plugins))
	m.mu.Unlock()
	m.cancel()
	<-m.done
	<-m.watched
	var errs []error
	for _, name := range names {
		if err := m.Unload(m.ctx, name); err != nil && !errors.Is(err, ErrUnknown) {
			errs = append(errs, err)
		}
	}
	m.journal.mu.Lock()
	defer m.journal.mu.Unlock()
	return errors.Join(append(errs, m.journal.file.close())...)
}
