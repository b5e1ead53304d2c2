package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
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

	mu     sync.Mutex
	names  map[name.Name]*node.Subscription // nil: not open now
	copied uint64                           // contents that were read
	lost   uint64                           // numbers that nobody had any more
	full   bool                             // and that was said
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
	m := &mirror{h: h, prefix: p, names: map[name.Name]*node.Subscription{}}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.link = &loopback{h: h, in: h.node.Ingress(), frames: make(chan []byte, mirrorQueue), closed: make(chan struct{})}
	f, err := h.node.AddFace(h.now(), forward.FaceConfig{Name: "mirror " + p.String()}, nodeEnd{m.link})
	if err != nil {
		return nil, err
	}
	m.link.face = f
	// What cannot be had now, since the way to the first copy is broken, is asked for until nobody can have it any more.
	m.node, err = node.New(m.link, node.Config{Network: cfg.Networks[0].Wire(), Wildcard: cfg.Limits.Wildcard, Patience: cfg.Store.LongestRetention()})
	if err != nil {
		m.cancel()
	}
	return m, err
}

// run follows the prefix until Close.
func (m *mirror) run() {
	for _, pattern := range m.patterns() {
		if !m.h.cfg.Load().Own().IsWildcard(pattern) {
			m.follow(pattern)
			continue
		}
		m.wg.Go(func() { m.keep(func() error { return m.discover(pattern) }) })
		m.wg.Go(func() { m.keep(func() error { return m.listen(pattern) }) })
	}
	m.wg.Wait()
}

// mirrorAgain is how long a mirror waits after it was refused.
const mirrorAgain = 5 * time.Second

// keep does something until Close: what a neighbour refuses now it may give later.
func (m *mirror) keep(do func() error) {
	for m.ctx.Err() == nil {
		err := do()
		if m.ctx.Err() != nil || errors.Is(err, node.ErrClosed) {
			return
		}
		m.h.log.Error().Err(err).Str("prefix", m.prefix.String()).Dur("again_in", mirrorAgain).Msg("mirror")
		select {
		case <-m.ctx.Done():
		case <-time.After(mirrorAgain):
		}
	}
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
func (m *mirror) discover(pattern name.Name) error {
	return m.node.GetAll(m.ctx, pattern, wire.SeqNewest, func(c node.Content) error {
		m.follow(c.Name)
		return nil
	})
}

// listen hears of names that are new.
func (m *mirror) listen(pattern name.Name) error {
	sub, err := m.node.Subscribe(pattern, node.Now, true)
	if err != nil {
		return err
	}
	defer sub.Close()
	for {
		u, err := sub.Next(m.ctx)
		if err != nil {
			return err
		}
		m.follow(u.Name)
	}
}

// follow reads the stream of a name from the oldest that there is, unless it does so already.
func (m *mirror) follow(n name.Name) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.names[n]
	switch {
	case known:
	case len(m.names) < mirrorNames:
		m.names[n] = nil
		m.wg.Go(func() { m.keep(func() error { return m.read(n) }) })
	case !m.full:
		m.full = true
		m.h.log.Error().Str("prefix", m.prefix.String()).Stringer("name", n).
			Msgf("mirror: it follows %d names and takes no more: name longer prefixes, and mirror the rest elsewhere", mirrorNames)
	}
}

// read takes everything of a stream, and says what is lost.
func (m *mirror) read(n name.Name) error {
	sub, err := m.node.Subscribe(n, wire.SeqFirst, false)
	if err != nil {
		return err
	}
	m.opened(n, sub)
	defer m.opened(n, nil)
	defer sub.Close()
	for {
		u, err := sub.Next(m.ctx)
		if err != nil {
			return err
		}
		m.count(&u)
		if u.Lost {
			m.h.log.Warn().Stringer("name", n).Uint32("from", u.From).Uint32("to", u.To).Msg("mirror: lost before it was copied")
		}
	}
}

func (m *mirror) opened(n name.Name, sub *node.Subscription) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names[n] = sub
}

func (m *mirror) count(u *node.Update) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u.Lost {
		m.lost += uint64((u.To-u.From)&wire.SeqSubscribe) + 1
	} else {
		m.copied++
	}
}

// status is how far it has come.
func (m *mirror) status() admin.Mirror {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := admin.Mirror{Prefix: m.prefix.String(), Names: len(m.names), Copied: m.copied, Lost: m.lost, Full: m.full}
	for _, sub := range m.names {
		if sub != nil {
			s.Behind += uint64(sub.Behind())
		}
	}
	return s
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
