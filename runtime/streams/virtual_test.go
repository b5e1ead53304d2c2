package streams

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/sdk/node"
)

var key = [wire.KeySize]byte{1, 2, 3}

func network() wire.Network { return wire.Network{Keys: [wire.NetworkKeys]*[wire.KeySize]byte{&key}} }

// soak is how many of the full number of rounds a soak test runs; it skips where ZMESH_SOAK is not set.
func soak(t *testing.T, full int) int {
	t.Helper()
	f, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set: make soak runs this")
	}
	return max(1, int(f*float64(full)))
}

// virtual is a mesh whose time is that of a synctest bubble, so that the node library, which has goroutines and timers, can be part of it.
type virtual struct {
	*testing.T
	start time.Time
	wake  chan struct{}
	stop  chan struct{}
	done  chan struct{}

	mu    sync.Mutex // of all that follows, and of the mesh
	m     *mesh.Mesh
	disks []*instant
	nodes []*mesh.Node
	users []*node.Node
	cost  [4]int // frames sent over all links, by type; hellos are left out
}

// inVirtual runs fn in a bubble with an empty network, and takes it down afterwards.
func inVirtual(t *testing.T, seed uint64, fn func(v *virtual)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := &virtual{T: t, start: time.Now(), m: mesh.New(seed), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
		v.m.Tap = v.count
		go v.drive()
		defer func() {
			for _, n := range v.users {
				_ = n.Close()
			}
			close(v.stop)
			<-v.done
		}()
		fn(v)
	})
}

func (v *virtual) count(_ time.Duration, _ *mesh.Link, _ int, raw []byte) {
	var f wire.Frame
	if f.Parse(raw); f.Name != name.Hello {
		v.cost[f.Type]++
	}
}

// drive lets the mesh do what is due, as the bubble's time goes on.
func (v *virtual) drive() {
	defer close(v.done)
	timer := time.NewTimer(0)
	for {
		select {
		case <-v.stop:
			return
		case <-v.wake:
		case <-timer.C:
		}
		v.mu.Lock()
		v.step()
		at, ok := v.m.Next()
		wait := time.Hour
		if ok {
			wait = at - v.m.Now().Mono
		}
		v.mu.Unlock()
		timer.Reset(wait)
	}
}

// step brings the mesh to the bubble's time. The caller holds the mutex.
func (v *virtual) step() {
	v.m.RunFor(time.Since(v.start) - v.m.Now().Mono)
	for i, d := range v.disks {
		if len(d.done) > 0 {
			v.nodes[i].Do(func(fwd *forward.Node) { fwd.StoreReady(v.m.Now(), 0) })
		}
	}
}

// do changes the network by hand.
func (v *virtual) do(fn func()) {
	v.mu.Lock()
	v.step()
	fn()
	v.step()
	v.mu.Unlock()
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// instant is a store.Backend that commits at once and keeps nothing: it makes P-13 confirm.
type instant struct {
	done    []store.Completion
	tickets uint64
}

func (d *instant) Load(func(), func(*store.Loaded)) {}

func (d *instant) Write(*store.Write) bool {
	d.tickets++
	d.done = append(d.done[:0], store.Completion{Done: store.DoneCommit, Ticket: d.tickets, Hour: 1})
	return true
}

func (d *instant) Read(*store.Read) bool { return false }

func (d *instant) Completions(yield func(*store.Completion)) {
	done := d.done
	d.done = nil
	for i := range done {
		yield(&done[i])
	}
}

// forwarder adds one. opt may change its limits.
func (v *virtual) forwarder(opt func(*forward.Limits)) *mesh.Node {
	ring, err := wire.NewKeyring(network())
	if err != nil {
		v.Fatal(err)
	}
	naming, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical})
	if err != nil {
		v.Fatal(err)
	}
	lim := forward.DefaultLimits()
	if opt != nil {
		opt(&lim)
	}
	d, id, boot := &instant{}, uint32(len(v.nodes)+1), uint32(0)
	rng := v.m.Rand()
	n, err := v.m.Node(func() forward.Config {
		boot++
		seed := table.Seed{rng.Uint64(), rng.Uint64()}
		return forward.Config{
			ID: id, Boot: boot, Keys: ring, Naming: []*name.Network{naming}, Seed: seed, Random: rng.Uint64, Limits: &lim,
			Store: func(int) forward.Store {
				return store.NewShard(store.Config{
					Sorted: true, Seed: seed, LogBytes: 4 << 20, MaxRatePerName: store.Unlimited, HourBytes: 1 << 40, Backend: d, Class: store.Durable,
					Retention: 30 * 24 * time.Hour, Wall: v.m.Now().Wall, Now: v.m.Now().Mono,
				})
			},
		}
	})
	if err != nil {
		v.Fatal(err)
	}
	v.disks, v.nodes = append(v.disks, d), append(v.nodes, n)
	return n
}

// chain makes forwarders in a row; names under 01 are found towards the first.
func (v *virtual) chain(forwarders int, c mesh.LinkConfig) (list []*mesh.Node) {
	v.do(func() {
		for i := range forwarders {
			list = append(list, v.forwarder(nil))
			if i == 0 {
				continue
			}
			cfg := forward.FaceConfig{Hello: true}
			_, _, up, err := v.m.Join(list[i-1], list[i], c, cfg, cfg)
			if err != nil {
				v.Fatal(err)
			}
			list[i].Do(func(n *forward.Node) { n.AddRoute(v.m.Now(), 0, under01, up.Get().ID(), 1) })
		}
	})
	return list
}

var under01 = name.MakePrefix(name.Name{1}, 1)

// link is the node library's end of a link of the mesh.
type link struct {
	v      *virtual
	d      *mesh.Device
	frames chan []byte
	closed chan struct{}
	once   sync.Once
	deaf   bool // its radio is off: what comes is lost
}

// attach gives a forwarder a link to a new node of the library.
func (v *virtual) attach(at *mesh.Node, c mesh.LinkConfig, cfg forward.FaceConfig) (*node.Node, *link) {
	l := &link{v: v, frames: make(chan []byte, 4096), closed: make(chan struct{})}
	v.do(func() {
		d, _, err := v.m.Attach(at, c, cfg)
		if err != nil {
			v.Fatal(err)
		}
		l.d = d
		d.Heard = func(raw []byte) {
			if l.deaf {
				return
			}
			select {
			case l.frames <- append([]byte(nil), raw...):
			default:
			}
		}
	})
	n, err := node.New(l, node.Config{Network: network()})
	if err != nil {
		v.Fatal(err)
	}
	v.users = append(v.users, n)
	return n, l
}

// publishing is the policy of a producer's face.
func publishing() forward.FaceConfig {
	return forward.FaceConfig{Publish: name.NewPrefixSet(under01)}
}

func (l *link) Read(b []byte) (int, error) {
	select {
	case raw := <-l.frames:
		return copy(b, raw), nil
	case <-l.closed:
		return 0, io.EOF
	}
}

func (l *link) Write(raw []byte) (int, error) {
	select {
	case <-l.closed:
		return 0, io.ErrClosedPipe
	default:
	}
	l.v.do(func() { l.d.Send(raw) })
	return len(raw), nil
}

func (l *link) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func payload(seq uint32) []byte { return fmt.Appendf(nil, "value %d", seq) }

func plain(t *testing.T, n name.Name) *node.Stream {
	t.Helper()
	s, err := node.NewStream(n, node.None, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
