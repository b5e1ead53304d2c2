package driver

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/forward"
)

// Config is what the lines of a node have in common. Node and Clock are needed.
type Config struct {
	Node  *forward.Node
	Clock func() forward.Now // read once for each burst; must be safe for concurrent use
	Event func(Event)        // what an operator may want to know; called from any goroutine; nil: nobody does
}

// Event is something that happened to a line.
type Event struct {
	Line string // the face's name
	What string // "connected", "cut" or "cannot connect"
	Err  error
}

// Lines are the lines of a node.
type Lines struct {
	cfg  Config
	seed maphash.Seed
}

// New makes it without lines.
func New(cfg Config) (*Lines, error) {
	if cfg.Node == nil || cfg.Clock == nil {
		return nil, errors.New("driver: lines need a node and a clock")
	}
	if cfg.Event == nil {
		cfg.Event = func(Event) {}
	}
	return &Lines{cfg: cfg, seed: maphash.MakeSeed()}, nil
}

// Transport is what a line moves bytes by.
type Transport string

// The transports.
const (
	UDP    Transport = "udp"
	TCP    Transport = "tcp"
	Unix   Transport = "unix"
	Serial Transport = "serial"
)

// LineConfig is a line as the configuration has it.
type LineConfig struct {
	Codec     Codec // closed by the line, also if it cannot be opened
	Transport Transport
	Listen    string // HOST:PORT, or the path of a unix socket; empty: a client
	Remote    string // the same, of the other end; the device of a serial port
	Serial    SerialMode

	// Face is the configuration of the face; of a listener only its Name counts. The driver's limits are applied to it.
	Face     forward.FaceConfig
	Listener *forward.Listener // where a listener's peers become faces (P-11); its policy has the driver's limits already
}

// Line is one configured face with a driver.
type Line struct {
	*Lines
	cfg    LineConfig
	traits Traits
	face   *forward.Face // of a client
	count  counters
	last   atomic.Pointer[error]
	via    func(context.Context) (stream, error) // makes a connection

	coding sync.Mutex // held while the driver runs

	state  sync.Mutex // of what follows; held while the node is told; taken alone
	linked bool       // a client's connection is there
	driven bool       // there is a driver to run

	mu     sync.Mutex // of what follows; nothing is waited for under it
	peers  map[uint32]*peer
	nextID uint32

	ctx     context.Context
	end     context.CancelFunc
	work    sync.WaitGroup
	stop    []func() error // closes what its goroutines wait for
	address string         // of a listener
	arm     chan time.Duration
	stalled chan struct{} // there was no driver to run
}

// Open opens a line. A client that does not reach its other end yet is no error: it goes on trying, and its face is down meanwhile.
func (s *Lines) Open(ctx context.Context, cfg LineConfig) (*Line, error) {
	l := s.line(cfg)
	l.via = l.dial
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("face %q: %w", cfg.Face.Name, err), l.Close())
	}
	return l, nil
}

func (s *Lines) line(cfg LineConfig) *Line {
	l := &Line{
		Lines: s, cfg: cfg, traits: cfg.Codec.Traits(), peers: map[uint32]*peer{}, driven: true,
		arm: make(chan time.Duration, 1), stalled: make(chan struct{}, 1),
	}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

func (l *Line) open(ctx context.Context) error {
	if err := l.check(); err != nil {
		return err
	}
	l.work.Go(l.keep)
	switch {
	case l.cfg.Listen != "" && l.cfg.Transport == UDP:
		return l.listenUDP(ctx)
	case l.cfg.Listen != "":
		return l.listen(ctx)
	}
	p, err := l.connect()
	if err != nil {
		return err
	}
	if l.cfg.Transport == UDP {
		l.work.Go(func() { l.redial(func() error { return l.dialUDP(p) }) })
		return nil
	}
	l.work.Go(func() { l.redial(func() error { return l.dialStream(p) }) })
	return nil
}

// check holds what the driver declares against the transport.
func (l *Line) check() error {
	t := l.cfg.Transport
	if err := l.traits.Fits(t); err != nil {
		return err
	}
	switch {
	case t == Serial && l.cfg.Listen != "" || (l.cfg.Listen == "") == (l.cfg.Remote == ""):
		return fmt.Errorf("a line by %s with listen %q and remote %q cannot be", t, l.cfg.Listen, l.cfg.Remote)
	}
	return nil
}

// connect makes the face of a client. It is down until the line is up.
func (l *Line) connect() (*peer, error) {
	p := l.newPeer(0, newOutlet())
	cfg := l.cfg.Face
	l.traits.Limit(&cfg)
	p.out.close()
	f, err := l.Lines.cfg.Node.AddFace(l.Lines.cfg.Clock(), cfg, p)
	if err != nil {
		return nil, err
	}
	l.face = f
	p.face.Store(f)
	l.setLinked(false)
	return p, nil
}

// setLinked notes whether a client's connection is there. Its face is up while that is so, and there is a driver to run.
func (l *Line) setLinked(is bool) {
	l.state.Lock()
	defer l.state.Unlock()
	l.linked = is
	l.setUp()
}

// setDriven notes whether there is a driver to run.
func (l *Line) setDriven(is bool) {
	l.state.Lock()
	defer l.state.Unlock()
	l.driven = is
	l.setUp()
}

func (l *Line) setUp() {
	if l.face != nil {
		l.Lines.cfg.Node.SetUp(l.Lines.cfg.Clock(), l.face.ID(), l.linked && l.driven)
	}
}

// Face is the face of a client; nil if the line listens.
func (l *Line) Face() *forward.Face { return l.face }

// Address is where the line listens, or where it leads.
func (l *Line) Address() string {
	if l.address != "" {
		return l.address
	}
	return l.cfg.Remote
}

// Traits are what the line's driver declares.
func (l *Line) Traits() Traits { return l.traits }

// Transport is what the line moves bytes by.
func (l *Line) Transport() Transport { return l.cfg.Transport }

// Counters reads the line's counters.
func (l *Line) Counters() Counters { return l.count.read() }

// LastError is why the line was cut last, or cannot connect; nil if all is well.
func (l *Line) LastError() error {
	if p := l.last.Load(); p != nil {
		return *p
	}
	return nil
}

func (l *Line) failed(what string, err error) {
	if err == nil {
		l.last.Store(nil)
	} else {
		l.last.Store(&err)
	}
	l.Lines.cfg.Event(Event{Line: l.cfg.Face.Name, What: what, Err: err})
}

// Peers is how many there are at other ends: connections of a stream, addresses of datagrams.
func (l *Line) Peers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.peers)
}

// Close ends the line's goroutines, removes its faces from the node and frees its driver.
func (l *Line) Close() (err error) {
	l.end()
	l.mu.Lock()
	stop := l.stop
	peers := make([]*peer, 0, len(l.peers))
	for _, p := range l.peers {
		peers = append(peers, p)
	}
	l.mu.Unlock()
	for _, fn := range stop {
		err = errors.Join(err, fn())
	}
	for _, p := range peers {
		p.disconnect()
	}
	l.work.Wait()
	for _, p := range peers {
		p.removeFace()
	}
	l.cfg.Codec.Close()
	return err
}

// onClose has something closed with the line.
func (l *Line) onClose(fn func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = append(l.stop, fn)
}

// keep is the line's own goroutine: it serves the driver's timer, and looks after a line without a driver.
func (l *Line) keep() {
	s := l.session()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case d := <-l.arm:
			timer.Reset(d)
		case <-timer.C:
			s.handle(Timer, l.timed())
		case <-l.stalled:
			l.setDriven(false)
			l.setDriven(l.cfg.Codec.Await(l.ctx))
		}
	}
}

// timed is who the driver's timer is about: the other end of a client. A listener's is about nobody.
func (l *Line) timed() *peer {
	if p := l.peerOf(0); p != nil {
		return p
	}
	return &peer{line: l}
}

// rearm sets the driver's timer: the latest word counts.
func (l *Line) rearm(d time.Duration) {
	for {
		select {
		case l.arm <- d:
			return
		default:
		}
		select {
		case <-l.arm:
		default:
		}
	}
}

// stall says that there was no driver.
func (l *Line) stall() {
	select {
	case l.stalled <- struct{}{}:
	default:
	}
}
