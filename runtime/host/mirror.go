package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/sdk/node"
)

// mirror keeps a second copy of what is published under a prefix ([[store.mirror]]): it is a consumer inside the node, which
// subscribes, finds the names and reads each stream without holes. What it reads it throws away: on its way here it has passed the store.
type mirror struct {
	h      *Host
	prefix name.Prefix
	link   *loopback
	node   *node.Node
	cancel context.CancelFunc
	ctx    context.Context
	wg     sync.WaitGroup

	mu    sync.Mutex
	names map[name.Name]bool
}

// mirrorNames bounds the streams that one mirror follows.
const mirrorNames = 4096

// mirrorQueue is how many frames may wait for a mirror; beyond, they are dropped and fetched again.
const mirrorQueue = 1024

func (h *Host) startMirrors() error {
	cfg := h.cfg.Load()
	for _, p := range cfg.Store.Mirror {
		m, err := h.newMirror(cfg, p)
		if err != nil {
			return fmt.Errorf("mirror of %q: %w", p, err)
		}
		h.mirrors = append(h.mirrors, m)
	}
	return nil
}

func (h *Host) newMirror(cfg *config.Config, p name.Prefix) (*mirror, error) {
	m := &mirror{h: h, prefix: p, names: map[name.Name]bool{}}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.link = &loopback{h: h, in: h.node.Ingress(), frames: make(chan []byte, mirrorQueue), closed: make(chan struct{})}
	f, err := h.node.AddFace(h.now(), forward.FaceConfig{Name: "mirror " + p.String()}, nodeEnd{m.link})
	if err != nil {
		return nil, err
	}
	m.link.face = f
	m.node, err = node.New(m.link, node.Config{Network: cfg.Networks[0].Wire()})
	return m, err
}

// run follows the prefix until Close.
func (m *mirror) run() {
	for _, pattern := range m.patterns() {
		if !m.h.cfg.Load().Own().IsWildcard(pattern) {
			m.follow(pattern)
			continue
		}
		m.wg.Add(2)
		go m.discover(pattern)
		go m.listen(pattern)
	}
	m.wg.Wait()
}

// patterns are the names that stand for a prefix: itself, if it is one name, and one for each depth below it.
func (m *mirror) patterns() (list []name.Name) {
	own := m.h.cfg.Load().Own()
	if m.prefix.Len > 0 {
		list = append(list, m.prefix.Name)
	}
	if own.Naming() == name.Hashed {
		return list
	}
	n := m.prefix.Name
	for i := max(int(m.prefix.Len), 1); i < name.Size && m.prefix.Len > 0; i++ {
		n[i] = own.Wildcard()
		list = append(list, n)
	}
	return list
}

// discover asks for the newest of every name, again and again: what was published before the mirror came, or while it was away.
func (m *mirror) discover(pattern name.Name) {
	defer m.wg.Done()
	err := m.node.GetAll(m.ctx, pattern, wire.SeqNewest, func(c node.Content) error {
		m.follow(c.Name)
		return nil
	})
	m.end(err)
}

// listen hears of names that are new.
func (m *mirror) listen(pattern name.Name) {
	defer m.wg.Done()
	sub, err := m.node.Subscribe(pattern, node.Now, true)
	if err != nil {
		m.end(err)
		return
	}
	defer sub.Close()
	for {
		u, err := sub.Next(m.ctx)
		if err != nil {
			m.end(err)
			return
		}
		m.follow(u.Name)
	}
}

// follow reads the stream of a name from the oldest that there is.
func (m *mirror) follow(n name.Name) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[n] || len(m.names) >= mirrorNames || m.ctx.Err() != nil {
		return
	}
	sub, err := m.node.Subscribe(n, wire.SeqFirst, false)
	if err != nil {
		m.end(err)
		return
	}
	m.names[n] = true
	m.wg.Add(1)
	go func() {
		defer m.wg.Done()
		defer sub.Close()
		for {
			u, err := sub.Next(m.ctx)
			if err != nil {
				m.end(err)
				return
			}
			if u.Lost {
				m.h.log.Warn().Stringer("name", n).Uint32("from", u.From).Uint32("to", u.To).Msg("mirror: lost before it was copied")
			}
		}
	}()
}

// end says why something of the mirror stopped, unless it was closed.
func (m *mirror) end(err error) {
	if err != nil && m.ctx.Err() == nil && !errors.Is(err, node.ErrClosed) {
		m.h.log.Error().Err(err).Str("prefix", m.prefix.String()).Msg("mirror")
	}
}

// Close ends the mirror.
func (m *mirror) Close() error {
	m.cancel()
	return m.node.Close()
}

// loopback is a link between the node and a consumer in the same process.
type loopback struct {
	h      *Host
	face   *forward.Face
	mu     sync.Mutex // of in
	in     *forward.Ingress
	frames chan []byte
	closed chan struct{}
	once   sync.Once
}

// nodeEnd is the forwarder's end of a loopback.
type nodeEnd struct{ l *loopback }

// Send implements forward.Link.
func (e nodeEnd) Send(frames [][]byte) int { return e.l.deliver(frames) }

// Close implements forward.Link.
func (e nodeEnd) Close() { _ = e.l.Close() }

// deliver hands frames to the consumer: what the consumer does not take in time is dropped.
func (l *loopback) deliver(frames [][]byte) int {
	for i, raw := range frames {
		select {
		case l.frames <- append([]byte(nil), raw...):
		default:
			return i
		}
	}
	return len(frames)
}

// Read gives the consumer one frame.
func (l *loopback) Read(b []byte) (int, error) {
	select {
	case raw := <-l.frames:
		return copy(b, raw), nil
	case <-l.closed:
		return 0, io.EOF
	}
}

// Write takes one frame from the consumer.
func (l *loopback) Write(raw []byte) (int, error) {
	select {
	case <-l.closed:
		return 0, io.ErrClosedPipe
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.in.Begin(l.h.now())
	l.in.Add(l.face, raw)
	l.in.Run()
	return len(raw), nil
}

// Close ends the link from either side.
func (l *loopback) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}
