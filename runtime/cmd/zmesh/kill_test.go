package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/sdk/node"
)

// A node is killed (SIGKILL) at random moments while contents are published and confirmed. After each start everything that was
// confirmed under durable is there with its own bytes, and the newest has not gone back.
func TestKill9(t *testing.T) { killRounds(t, 4) }

// TestSoakKill9 is the same two hundred times.
func TestSoakKill9(t *testing.T) {
	fraction, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set: make soak runs this")
	}
	killRounds(t, max(int(200*fraction), 1))
}

func killRounds(t *testing.T, rounds int) {
	n := newNode(t, "")
	cfg, err := config.Load(n.config)
	if err != nil {
		t.Fatal(err)
	}
	p := newPublisher(t, cfg)
	for round := range rounds {
		p.runUntil(func() {
			p.wait(5 + rand.IntN(40))
			n.end(syscall.SIGKILL)
		})
		n.start()
		p.verify(round)
	}
	t.Logf("%d rounds, %d contents confirmed", rounds, len(p.confirmed))
}

// publisher publishes numbered contents, several at once, and remembers which were confirmed.
type publisher struct {
	t      *testing.T
	cfg    *config.Config
	stream *node.Stream
	node   *node.Node
	marks  *node.Watermark

	mu        sync.Mutex
	cond      *sync.Cond
	confirmed map[uint32][]byte
	highest   uint32
	news      int
}

func newPublisher(t *testing.T, cfg *config.Config) *publisher {
	t.Helper()
	s := cfg.Streams[0]
	p := &publisher{t: t, cfg: cfg, confirmed: map[uint32][]byte{}}
	p.cond = sync.NewCond(&p.mu)
	var err error
	if p.stream, err = node.NewStream(s.Name, node.ChaCha20Poly1305, s.Key.Bytes(), s.IV[:]); err != nil {
		t.Fatal(err)
	}
	if p.node, err = node.Dial(t.Context(), cfg.Faces[0].Listen, node.Config{Network: cfg.Networks[0].Wire()}); err != nil {
		t.Fatal(err)
	}
	if p.marks, err = node.OpenWatermark(filepath.Join(t.TempDir(), "marks")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.node.Close() })
	return p
}

// runUntil publishes from eight goroutines until the act is over.
func (p *publisher) runUntil(act func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				p.one(ctx)
			}
		})
	}
	act()
	cancel()
	wg.Wait()
}

func (p *publisher) one(ctx context.Context) {
	seq, err := p.marks.Next(p.stream.Name)
	if err != nil {
		p.t.Error(err)
		return
	}
	payload := bytes.Repeat([]byte(fmt.Sprintf("content %d ", seq)), 1+int(seq%20))
	if err := p.node.PublishConfirmed(ctx, p.stream, seq, payload); err != nil {
		if !errors.Is(err, context.Canceled) {
			p.t.Errorf("number %d: %v", seq, err)
		}
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.confirmed[seq] = payload
	p.highest = max(p.highest, seq)
	p.news++
	p.cond.Broadcast()
}

// wait waits until so many more are confirmed.
func (p *publisher) wait(more int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.news = 0; p.news < more; {
		p.cond.Wait()
	}
}

// verify asks for everything that was confirmed.
func (p *publisher) verify(round int) {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	newest, err := p.node.Get(ctx, p.stream.Name, wire.SeqNewest)
	if err != nil {
		p.t.Fatalf("round %d: newest: %v", round, err)
	}
	if newest.Seq < p.highest {
		p.t.Errorf("round %d: the newest is %d, %d was confirmed", round, newest.Seq, p.highest)
	}
	for seq, payload := range p.confirmed {
		c, err := p.node.Get(ctx, p.stream.Name, seq)
		if err != nil {
			p.t.Fatalf("round %d: confirmed number %d: %v", round, seq, err)
		}
		plain, err := p.stream.Open(c.Payload, seq)
		if err != nil || !bytes.Equal(plain, payload) {
			p.t.Fatalf("round %d: number %d is torn: %q, %v", round, seq, plain, err)
		}
	}
}
