package udp

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zmesh/zmesh/core/forward"
)

// Config is what a Transport is made of. Node and Clock are needed.
type Config struct {
	Node  *forward.Node
	Clock func() forward.Now // read once for each burst; must be safe for concurrent use
	// Lookup finds the addresses of host names. Default: the system's resolver.
	Lookup Lookup
	// Buffer is what is asked of the kernel for receiving and for sending, in bytes each. Default 4 MiB: at 200,000 frames
	// a second of 100 bytes, for which the kernel counts some 800, this is what comes in while a reader waits 25 ms.
	Buffer int
	// Readers is how many goroutines read each listening port: as many as the node has workers. Default 1; 1 where the system does
	// not spread peers over sockets (SO_REUSEPORT, on Linux).
	Readers int
	// Portable uses the standard library's calls, one datagram each, even where there are better ones: for tests, and to find
	// out whether a fault lies in the batched ones.
	Portable bool
}

// DefaultBuffer is asked of the kernel for each direction of a socket, in bytes.
const DefaultBuffer = 4 << 20

// Transport is all UDP sockets of a node. It shares between them which address is which remote (P-24).
type Transport struct {
	cfg    Config
	seed   maphash.Seed
	engine func(*conn) (engine, error)

	napping atomic.Int32 // readers that nap now

	life   sync.Mutex // held while sockets are opened and closed; taken before the node's mutex
	opened uint32     // sockets so far
	closed bool

	mu      sync.RWMutex // of the maps; nothing else is locked under it
	sockets []*Socket    // changed under life and mu, so either is enough to read it
	remotes map[address]*link
}

// New makes a Transport without sockets.
func New(cfg Config) (*Transport, error) {
	if cfg.Node == nil || cfg.Clock == nil {
		return nil, errors.New("udp: a transport needs a node and a clock")
	}
	if cfg.Lookup == nil {
		cfg.Lookup = systemLookup
	}
	if cfg.Buffer <= 0 {
		cfg.Buffer = DefaultBuffer
	}
	t := &Transport{cfg: cfg, seed: maphash.MakeSeed(), engine: newEngine, remotes: map[address]*link{}}
	if cfg.Portable {
		t.engine = newPortable
	}
	return t, nil
}

// ErrClosed is what a closed Transport or Socket answers.
var ErrClosed = errors.New("udp: closed")

// ListenConfig is a listening socket as the configuration has it.
type ListenConfig struct {
	Name string // of the face, for errors
	// Address is HOST:PORT; without a port it is DefaultPort, with port 0 the system's choice. Without a host it is every
	// address of this machine, IPv4 and IPv6; 0.0.0.0 is IPv4 alone, [::] IPv6 alone.
	Address  string
	Listener *forward.Listener // where its peers become faces (P-11); nil: only configured remotes are heard
}

// Listen opens a socket. Its errors name the face and the address; an address in use is syscall.EADDRINUSE.
func (t *Transport) Listen(ctx context.Context, l ListenConfig) (*Socket, error) {
	b, err := t.place(ctx, l.Address)
	if err == nil {
		t.life.Lock()
		defer t.life.Unlock()
		err = t.live()
	}
	var s *Socket
	if err == nil {
		b.name, b.listener, b.listens = l.Name, l.Listener, true
		s, err = t.open(b)
	}
	if err != nil {
		return nil, fmt.Errorf("face %q: listen on udp %q: %w", l.Name, l.Address, err)
	}
	return s, nil
}

func (t *Transport) live() error {
	if t.closed {
		return ErrClosed
	}
	return nil
}

// binding is where a socket is to be.
type binding struct {
	network  string     // udp4, udp6, or udp for both families in one socket
	ip       netip.Addr // invalid: every address of this machine
	port     uint16
	name     string
	listener *forward.Listener
	listens  bool // not only there to send to remotes
}

// place finds where a listening address is.
func (t *Transport) place(ctx context.Context, text string) (binding, error) {
	host, port, err := split(text)
	if err != nil || host == "" {
		return binding{network: "udp", port: port}, err
	}
	found, err := t.lookup(ctx, host)
	if err != nil {
		return binding{}, err
	}
	ip := found[0].Unmap()
	return binding{network: familyOf(ip), ip: ip, port: port}, nil
}

func familyOf(ip netip.Addr) string {
	if ip.Is4() {
		return "udp4"
	}
	return "udp6"
}

// RemoteConfig is a configured peer: a face from the start.
type RemoteConfig struct {
	Address string             // HOST:PORT; without a port it is DefaultPort
	Face    forward.FaceConfig // Name is for errors too
	// From is the socket that it sends from. nil: the first listening socket that reaches it, so that its peer sees our
	// listening port; if there is none, a port that the system chooses, shared by all such remotes of a family. So
	// listeners are opened first.
	From *Socket
}

// Connect makes the face of a remote. Its host is looked up now, once. The face is removed by Node.RemoveFace, or with its
// socket if that was given. Its errors name the face and the remote.
func (t *Transport) Connect(ctx context.Context, r RemoteConfig) (*forward.Face, error) {
	where, err := t.remoteAddresses(ctx, r.Address)
	var f *forward.Face
	if err == nil {
		t.life.Lock()
		defer t.life.Unlock()
		f, err = t.connect(r, where)
	}
	if err != nil {
		return nil, fmt.Errorf("face %q: remote %q: %w", r.Face.Name, r.Address, err)
	}
	return f, nil
}

func (t *Transport) connect(r RemoteConfig, where []address) (*forward.Face, error) {
	if err := t.live(); err != nil {
		return nil, err
	}
	s, to, err := t.home(r.From, where)
	if err != nil {
		return nil, err
	}
	l := newLink(s, to)
	l.remote, l.pinned = true, r.From != nil
	displaced, taken := t.reserve(l)
	if taken != nil {
		return nil, fmt.Errorf("%s is the address of face %q already", &to, taken.name())
	}
	t.remove(displaced)
	f, err := t.cfg.Node.AddFace(t.cfg.Clock(), r.Face, l)
	if err != nil {
		t.forget(l)
		return nil, err
	}
	l.face.Store(f)
	return f, nil
}

// name is the face's.
func (l *link) name() string {
	if f := l.face.Load(); f != nil {
		return f.Config().Name
	}
	return ""
}

// home finds the socket that a remote sends from, and which of its addresses that reaches.
func (t *Transport) home(from *Socket, where []address) (*Socket, address, error) {
	sockets := t.sockets
	if from != nil {
		sockets = []*Socket{from}
		if from.closed {
			return nil, address{}, ErrClosed
		}
	}
	for _, s := range sockets { // listening ones stand before the others
		for _, a := range where {
			if s.reaches(&a) {
				return s, a, nil
			}
		}
	}
	if from != nil {
		return nil, address{}, fmt.Errorf("%s cannot be reached from %s", &where[0], from.local)
	}
	s, err := t.open(binding{network: familyOf(where[0].addr())})
	return s, where[0], err
}

// rehome moves the remotes that were sent from s because it was there to another socket.
func (t *Transport) rehome(s *Socket) (err error) {
	for _, l := range t.guests(s) {
		next, _, e := t.home(nil, []address{l.to})
		if e != nil {
			err = errors.Join(err, fmt.Errorf("face %q: remote %s: %w", l.name(), &l.to, e))
			continue
		}
		l.sock.Store(next)
	}
	return err
}

// guests are the remotes that are sent from s and would be from any other.
func (t *Transport) guests(s *Socket) (list []*link) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, l := range t.remotes {
		if l.sock.Load() == s && !l.pinned {
			list = append(list, l)
		}
	}
	return list
}

// linksOf are the links that live and die with s.
func (t *Transport) linksOf(s *Socket) (list []*link) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, l := range s.peers {
		if l.sock.Load() == s {
			list = append(list, l)
		}
	}
	return list
}

// enlist makes a socket known, and the remotes known to it. Those that listen come first, in the order of the configuration.
func (t *Transport) enlist(s *Socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opened++
	s.id = t.opened
	s.peers = make(map[address]*link, len(t.remotes))
	for a, l := range t.remotes {
		s.peers[a] = l
	}
	at := len(t.sockets)
	if s.listens {
		at = t.listening()
	}
	t.sockets = slices.Insert(slices.Clone(t.sockets), at, s)
}

// listening is how many sockets listen.
func (t *Transport) listening() (n int) {
	for _, s := range t.sockets {
		if s.listens {
			n++
		}
	}
	return n
}

func (t *Transport) delist(s *Socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sockets = slices.DeleteFunc(slices.Clone(t.sockets), func(o *Socket) bool { return o == s })
}

// Sockets lists the open sockets, the listening ones first.
func (t *Transport) Sockets() []*Socket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.sockets)
}

// Close removes all faces from the node and closes all sockets. No goroutine is left.
func (t *Transport) Close() (err error) {
	t.life.Lock()
	defer t.life.Unlock()
	t.closed = true
	t.remove(t.allRemotes())
	for _, s := range slices.Clone(t.sockets) {
		err = errors.Join(err, s.close())
	}
	return err
}

func (t *Transport) allRemotes() (list []*link) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, l := range t.remotes {
		list = append(list, l)
	}
	return list
}
