package host

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/store/disk"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/faces/driver"
	"github.com/zmesh/zmesh/faces/udp"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/plugin"
)

// Host is a running node.
type Host struct {
	log   zerolog.Logger
	start time.Time
	wall  func(time.Time) int64 // Unix ms; a test sets the clock
	seed  table.Seed
	boot  uint32

	cfg atomic.Pointer[config.Config] // in force

	changing sync.Mutex // held over a change by the operator, which may wait for a name server; taken before mu
	mu       sync.Mutex // of what such a change changes; nothing is waited for under it

	faces     map[string]*forward.Face // configured remotes
	listeners map[string]*listening
	lines     map[string]*driver.Line     // of faces with a driver, listeners and remotes
	past      map[string]forward.Counters // of remotes' faces that were replaced, by name
	held      map[string]bool             // remotes that the operator has set down
	hosts     hosts

	node    *forward.Node
	fs      vfs.FS      // of the store; nil: the machine's. A test gives one that fails
	disk    *disk.Store // nil: everything in memory
	shards  []*store.Shard
	trouble trouble
	udp     *udp.Transport
	drivers *driver.Lines
	plugins *plugin.Manager

	tidy     *time.Timer      // gives memory back that loading plugins has taken
	compiler *engine.Compiler // of plugins; nil: they are compiled in this process
	choice   *strategies
	admin    *admin.Server
	metrics  *metricsServer
	mirrors  []*mirror

	lock *os.File        // of the data folder; nil on a read-only file system
	ctx  context.Context // of what the operator asks for; ended by Close
	end  context.CancelFunc
	stop chan struct{}
	wake chan struct{} // for drive
	made chan struct{} // closed once there is a node: the store may have something to say before

	madeOnce sync.Once
	wg       sync.WaitGroup
	load     func() (*config.Config, error) // reads the configuration again
	close    sync.Once
}

// listening is a configured listener.
type listening struct {
	name     string
	address  string // such as udp://127.0.0.1:2208
	peer     string // the same without what it is
	close    func() error
	listener *forward.Listener
	socket   *udp.Socket // nil: it has a driver
}

// Option is something that a node can be made with and need not.
type Option func(*Host)

// CompileWith has plugins compiled by a program of its own, so that whatever a module makes the compiler do does not happen to the
// node. Its command ends in [engine.CompileChild]; it is this program itself, as a rule.
func CompileWith(c *engine.Compiler) Option {
	return func(h *Host) { h.compiler = c }
}

// New provisions a node. load reads the configuration again for [Host.Reload].
func New(ctx context.Context, cfg *config.Config, log zerolog.Logger, load func() (*config.Config, error), options ...Option) (*Host, error) {
	h := &Host{
		log: log.With().Str("node", cfg.Node.Name).Logger(), start: time.Now(), wall: time.Time.UnixMilli, load: load,
		faces: map[string]*forward.Face{}, listeners: map[string]*listening{}, lines: map[string]*driver.Line{}, past: map[string]forward.Counters{}, held: map[string]bool{},
		tidy: time.AfterFunc(time.Hour, debug.FreeOSMemory),
		stop: make(chan struct{}), wake: make(chan struct{}, 1), made: make(chan struct{}),
	}
	h.tidy.Stop()
	for _, o := range options {
		o(h)
	}
	h.cfg.Store(cfg)
	h.ctx, h.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := h.provision(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Host) provision(ctx context.Context) (err error) {
	if h.lock, err = openDataDir(h.cfg.Load().Node.DataDir); err != nil && !errors.Is(err, syscall.EROFS) {
		return err
	}
	h.seed, h.boot = table.Seed{random64(), random64()}, uint32(random64())
	if err := h.loadPlugins(ctx); err != nil {
		return err
	}
	if h.choice, err = newStrategies(h.cfg.Load(), h.plugins); err != nil {
		return err
	}
	backends, err := h.openStore()
	if err != nil {
		return err
	}
	if err := h.makeNode(backends); err != nil {
		return err
	}
	if h.udp, err = udp.New(udp.Config{Node: h.node, Clock: h.now, Lookup: h.hosts.lookup, Readers: h.node.Workers()}); err != nil {
		return err
	}
	if h.drivers, err = driver.New(driver.Config{Node: h.node, Clock: h.now, Event: h.lineEvent}); err != nil {
		return err
	}
	if err := h.openFaces(ctx); err != nil {
		return err
	}
	h.setRoutes(h.cfg.Load().Routes)
	h.announce(nil, h.cfg.Load().Announce)
	if err := h.startMirrors(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // asked to stop before there was a node
		return err
	}
	return h.serve()
}

func random64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead (crypto/rand)
	return binary.LittleEndian.Uint64(b[:])
}

// now is the node's clock: monotonic since the start, and the wall clock beside it.
func (h *Host) now() forward.Now {
	t := time.Now()
	return forward.Now{Mono: t.Sub(h.start), Wall: h.wall(t)}
}

// openStore opens the folder of the store, if anything is kept on disk.
func (h *Host) openStore() ([]store.Backend, error) {
	cfg := h.cfg.Load()
	workers := cfg.Node.Workers
	if !cfg.Store.OnDisk() {
		return make([]store.Backend, workers), nil
	}
	sc := cfg.StoreConfig()
	dc := diskConfig(cfg, h.start)
	dc.Wall = func() int64 { return h.wall(time.Now()) }
	dc.FS, dc.KeepNewest, dc.Event = h.fs, func(k name.Key) bool { return sc.RuleFor(k).KeepNewest }, h.storeEvent
	s, err := disk.Open(dc)
	if errors.Is(err, syscall.EROFS) {
		h.log.Error().Err(err).Msg(noStore)
		h.trouble.set(fmt.Sprintf("%s (%v)", noStore, err))
		return make([]store.Backend, workers), nil
	}
	if err != nil {
		return nil, err
	}
	h.disk = s
	return s.Split(workers, func(k name.Key) int { return forward.Owner(h.seed, workers, k) }), nil
}

// noStore is what is said when not even what is stored can be read.
const noStore = "store: the file system of data_dir is read-only, and there is no store on it that could be read: contents are kept in memory, and nothing is confirmed until the node starts on one that can be written"

// storeSentences are what an operator reads of the store's events.
var storeSentences = map[disk.EventKind]string{
	disk.HourOpened:   "store: an hour was begun",
	disk.HourRetired:  "store: an hour is past its retention and was removed",
	disk.HourDropped:  "store: an hour was removed before its time, as max_size was reached: give the store more room, or shorten its retention",
	disk.HourDamaged:  "store: an hour is damaged and was set aside: what was stored in it is not there any more",
	disk.WriteFailed:  "store: the disk takes no more: what comes is forwarded and kept in memory, and nothing is confirmed",
	disk.Recovered:    "store: the disk takes contents again",
	disk.ReadFailed:   "store: an hour could not be read: zmesh store verify says what is wrong",
	disk.SealFailed:   "store: an hour that has ended could not be compacted: it is read as it is, and tried again",
	disk.ClockStepped: "store: the clock was set: what is stored keeps its age",
}

func (h *Host) storeEvent(e disk.Event) {
	level := zerolog.InfoLevel
	switch {
	case e.Err != nil:
		level = zerolog.ErrorLevel
	case e.Kind == disk.HourDropped || e.Kind == disk.ClockStepped:
		level = zerolog.WarnLevel
	}
	h.trouble.note(e)
	ev := h.log.WithLevel(level).Str("event", e.Kind.String()).Str("dir", e.Dir).Err(e.Err)
	if e.By != 0 {
		ev = ev.Stringer("by", e.By)
	}
	ev.Msg(storeSentences[e.Kind])
}

// trouble is what is wrong with the store at the moment, for zmesh store stats.
type trouble struct {
	mu   sync.Mutex
	text string
}

func (t *trouble) note(e disk.Event) {
	switch e.Kind {
	case disk.WriteFailed:
		t.set(fmt.Sprintf("%s (%v)", storeSentences[e.Kind], e.Err))
	case disk.Recovered:
		t.set("")
	}
}

func (t *trouble) set(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = text
}

func (t *trouble) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text
}

func (h *Host) makeNode(backends []store.Backend) error {
	cfg := h.cfg.Load()
	ring, err := cfg.Keyring()
	if err != nil {
		return err
	}
	now := h.now()
	lim := cfg.Limits.Limits
	h.shards = make([]*store.Shard, cfg.Node.Workers)
	h.node, err = forward.New(forward.Config{
		ID: cfg.Node.ID, Boot: h.boot, Keys: ring, Naming: cfg.Naming(), Workers: cfg.Node.Workers, Limits: &lim,
		Seed: h.seed, Random: random64, Onboarding: cfg.Node.Onboarding, Happened: h.happened, Wake: h.wakeUp, Clock: func() time.Duration { return time.Since(h.start) },
		Origin:   uint32(now.Wall/1000) & 0xFFFFFF,
		Mirror:   name.NewPrefixSet(cfg.Store.Mirror...),
		Strategy: h.choice.worker,
		Store: func(i int) forward.Store {
			sc := cfg.StoreConfig()
			sc.Seed, sc.Now, sc.Wall, sc.Backend = h.seed, now.Mono, now.Wall, backends[i]
			sc.Ready = func(*store.Shard) { h.storeReady(i) }
			h.shards[i] = store.NewShard(sc)
			return h.shards[i]
		},
	})
	h.nodeMade()
	return err
}

// nodeMade lets the store's goroutines through: there is a node, or there will never be one.
func (h *Host) nodeMade() { h.madeOnce.Do(func() { close(h.made) }) }

// storeReady is called from the store's goroutines.
func (h *Host) storeReady(worker int) {
	<-h.made
	if h.node != nil {
		h.node.StoreReady(h.now(), worker)
	}
}

func (h *Host) happened(e forward.Happening) {
	ev := h.log.Info()
	if e.What == forward.ForgeryAlarm || e.What == forward.SecondProducer {
		ev = h.log.Warn()
	}
	if e.What == forward.FaceMade || e.What == forward.FaceClosed {
		ev = h.log.Debug()
	}
	if f := h.faceOf(e.Face); f != nil {
		ev = ev.Str("face", f.Config().Name).Uint32("face_id", uint32(e.Face))
	}
	if e.Name != (name.Name{}) {
		ev = ev.Stringer("name", e.Name)
	}
	ev.Msg(string(e.What))
}

// faceOf finds the face of a happening, without a lock.
func (h *Host) faceOf(id forward.FaceID) *forward.Face {
	if id == forward.Self || h.node == nil {
		return nil
	}
	return h.node.Face(id)
}

// shortestTick bounds how often the forwarder's timers are called: they have a resolution of a millisecond.
const shortestTick = time.Millisecond

// drive calls the forwarder's timers when they are due, until the host is closed. An idle node is woken by nothing else.
func (h *Host) drive() {
	defer h.wg.Done()
	timer := time.NewTimer(0) // the first hellos leave at once (P-18)
	defer timer.Stop()
	var last time.Duration // when the timers were called
	for {
		select {
		case <-h.stop:
			return
		case <-h.wake: // something is due earlier than was planned
		case <-timer.C:
			now := h.now()
			last = now.Mono
			h.node.Advance(now)
		}
		if at, ok := h.node.Next(); ok {
			timer.Reset(max(at, last+shortestTick) - h.now().Mono)
		}
	}
}

// wakeUp implements forward.Config.Wake.
func (h *Host) wakeUp() {
	select {
	case h.wake <- struct{}{}:
	default: // it is awake, and looks once more
	}
}

// Run drives the node until ctx ends. ready is called once the node's faces are open, with what listens where.
func (h *Host) Run(ctx context.Context, ready func(faces []string)) error {
	h.wg.Add(1)
	go h.drive()
	for _, m := range h.mirrors {
		h.wg.Go(m.run)
	}
	open := h.Addresses()
	h.log.Info().Str("id", fmt.Sprintf("%08x", h.cfg.Load().Node.ID)).Strs("faces", open).Msg("running")
	ready(open)
	<-ctx.Done()
	h.log.Info().Msg("stopping")
	return h.Close()
}

// Close stops everything in the reverse order of its start. What was published is safe when it returns.
func (h *Host) Close() (err error) {
	h.close.Do(func() { err = h.cleanUp() })
	return err
}

func (h *Host) cleanUp() (err error) {
	close(h.stop)
	h.end()
	if h.admin != nil {
		err = errors.Join(err, h.admin.Close())
	}
	h.tidy.Stop() // nobody loads a plugin any more
	if h.metrics != nil {
		err = errors.Join(err, h.metrics.Close())
	}
	for _, m := range h.mirrors {
		err = errors.Join(err, m.Close())
	}
	err = errors.Join(err, h.closeLines())
	if h.udp != nil {
		err = errors.Join(err, h.udp.Close())
	}
	h.wg.Wait()
	h.nodeMade()
	if h.disk != nil {
		err = errors.Join(err, h.disk.Close())
	}
	if h.plugins != nil {
		err = errors.Join(err, h.plugins.Close())
	}
	if h.lock != nil {
		err = errors.Join(err, h.lock.Close())
	}
	return err
}

// Addresses tells what listens where.
func (h *Host) Addresses() (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.cfg.Load().Faces {
		if l := h.listeners[f.Name]; l != nil {
			list = append(list, f.Name+" "+l.address)
		}
	}
	return list
}
