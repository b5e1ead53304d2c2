package node

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

func (r *rig) get(seq uint32, d time.Duration) (Content, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	return r.node.Get(ctx, temperature, seq)
}

func (r *rig) wantReturn(err error, why wire.ReturnReason) {
	r.t.Helper()
	var ret *ReturnError
	if !errors.As(err, &ret) || ret.Reason != why || ret.Node != 7 || ret.Name != temperature {
		r.t.Fatalf("got %v, want %s", err, why)
	}
}

func TestGet(t *testing.T) {
	inBubble(t, 1, faults{delay: time.Millisecond}, func(r *rig) {
		_, err := r.get(wire.SeqNewest, time.Minute)
		r.wantReturn(err, wire.ReturnNoRoute)
		r.publish(1, 9)
		c, err := r.get(wire.SeqNewest, time.Minute)
		if err != nil || c.Seq != 9 || string(c.Payload) != payloadOf(9) || c.TTL != wire.MaxTTL || c.Name != temperature {
			r.t.Errorf("newest: %+v, %v", c, err)
		}
		c, err = r.get(4, time.Minute)
		if err != nil || c.Seq != 4 {
			r.t.Errorf("number 4: %+v, %v", c, err)
		}
		_, err = r.get(10, time.Minute)
		r.wantReturn(err, wire.ReturnNotHere)
		for _, seq := range []uint32{wire.SeqSubscribe, 1 << 24} {
			if _, err := r.get(seq, time.Minute); err == nil {
				r.t.Errorf("number %d", seq)
			}
		}
	})
}

// Retries have fresh timestamps, or a forwarder would take them for repetitions (P-2a), and come ever more slowly.
func TestP2aGetAsksAgainWithFreshTimestamps(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		r.face.link.setFaults(faults{loss: 1})
		start := time.Now()
		_, err := r.get(1, 20*time.Second)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 20*time.Second {
			r.t.Errorf("%v after %s", err, time.Since(start))
		}
		asked := r.fw.count(r.face, ask{temperature, 1})
		if asked < 8 || asked > 14 {
			r.t.Errorf("asked %d times in 20 s", asked)
		}
		r.fw.set(func() {
			for stamp, count := range r.face.stamps {
				if count != 1 {
					r.t.Errorf("timestamp %d was sent %d times", stamp.UnixMilli(), count)
				}
			}
		})
	})
}

func TestGetOverABadLink(t *testing.T) {
	for seed := range uint64(50) {
		inBubble(t, seed, faults{loss: 0.3, copies: 0.3, delay: time.Millisecond, jitter: 400 * time.Millisecond}, func(r *rig) {
			r.publish(1, 5)
			for seq := uint32(1); seq <= 5; seq++ {
				if c, err := r.get(seq, time.Minute); err != nil || c.Seq != seq {
					r.t.Errorf("number %d: %+v, %v", seq, c, err)
				}
			}
		})
	}
}

func TestGetAsksAgainAfterCongestion(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		r.publish(1, 1)
		r.fw.set(func() { r.fw.refuse[ask{temperature, 1}] = wire.ReturnCongestion })
		_, err := r.get(1, 5*time.Second)
		r.wantReturn(err, wire.ReturnCongestion)
		if !errors.Is(err, context.DeadlineExceeded) {
			r.t.Error(err)
		}
		time.AfterFunc(5*time.Second, func() { r.fw.set(func() { clear(r.fw.refuse) }) })
		if _, err := r.get(1, time.Minute); err != nil {
			r.t.Error(err)
		}
	})
}

// A Return counts only with the bytes of an Interest of ours (P-6).
func TestP6ReturnsWithOtherBytesAreNothing(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		r.fw.set(func() { r.fw.silent = true })
		time.AfterFunc(time.Second, func() {
			r.fw.set(func() {
				for _, ms := range []int64{0, 1, time.Now().UnixMilli() - 5000, time.Now().UnixMilli() + 5000} {
					r.fw.giveBack(r.face, ask{temperature, 1}, wire.MakeAsked(ms, 2), wire.ReturnNotHere)
				}
			})
		})
		_, err := r.get(1, 5*time.Second)
		var ret *ReturnError
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ret) {
			r.t.Error(err)
		}
	})
}

// Somebody who fetches old numbers must not answer somebody else's newest.
func TestNewestIsNotAnOldNumberThatWasFetched(t *testing.T) {
	inBubble(t, 1, faults{delay: 10 * time.Millisecond}, func(r *rig) {
		r.publish(1, 100)
		r.fw.set(func() { r.fw.refuse[ask{temperature, wire.SeqNewest}] = wire.ReturnCongestion })
		time.AfterFunc(time.Second, func() { r.fw.set(func() { clear(r.fw.refuse) }) })
		go func() {
			for seq := uint32(1); seq < 50; seq++ {
				_, _ = r.get(seq, time.Minute)
			}
		}()
		if c, err := r.get(wire.SeqNewest, time.Minute); err != nil || c.Seq != 100 {
			r.t.Errorf("number %d, %v", c.Seq, err)
		}
		time.Sleep(time.Minute)
	})
}

func TestPublishAndOpen(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		s := testStream(r.t, ChaCha20Poly1305)
		if err := r.node.Publish(s, 7, []byte("21.5 C")); err != nil {
			r.t.Fatal(err)
		}
		c, err := r.get(7, time.Minute)
		if err != nil {
			r.t.Fatal(err)
		}
		if plain, err := s.Open(c.Payload, c.Seq); err != nil || string(plain) != "21.5 C" {
			r.t.Errorf("%q, %v", plain, err)
		}
		for _, seq := range []uint32{0, wire.SeqSubscribe, 1 << 24} {
			if err := r.node.Publish(s, seq, nil); err == nil {
				r.t.Errorf("number %d", seq)
			}
		}
		most := make([]byte, wire.MaxPayload-s.Overhead())
		if err := r.node.Publish(s, 8, most); err != nil {
			r.t.Error(err)
		}
		if err := r.node.Publish(s, 9, append(most, 0)); err == nil {
			r.t.Error("too long")
		}
	})
}

func TestPublishConfirmedOverABadLink(t *testing.T) {
	for seed := range uint64(50) {
		inBubble(t, seed, faults{loss: 0.3, copies: 0.3, delay: time.Millisecond, jitter: 20 * time.Millisecond}, func(r *rig) {
			s := testStream(r.t, AES128CTR)
			for seq := uint32(1); seq <= 5; seq++ {
				if err := r.node.PublishConfirmed(r.t.Context(), s, seq, []byte("x")); err != nil {
					r.t.Fatal(err)
				}
				r.fw.set(func() {
					if _, has := r.fw.store[key{temperature, seq}]; !has {
						r.t.Errorf("number %d is confirmed and not stored", seq)
					}
				})
			}
		})
	}
}

// What the forwarder says to an Interest that came where the content did not is not believed.
func TestPublishConfirmedWhenTheContentIsLost(t *testing.T) {
	for _, already := range []bool{false, true} { // without a producer face: no route; with one: not here
		inBubble(t, 1, faults{}, func(r *rig) {
			s := testStream(r.t, None)
			if already {
				if err := r.node.Publish(s, 1, nil); err != nil {
					r.t.Fatal(err)
				}
			}
			near := r.node.link.(*end)
			near.mu.Lock()
			near.eat = 2
			near.mu.Unlock()
			if err := r.node.PublishConfirmed(r.t.Context(), s, 2, []byte("x")); err != nil {
				r.t.Error(err)
			}
		})
	}
}

func TestPublishConfirmedIsRefused(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		s := testStream(r.t, None)
		if err := r.node.PublishConfirmed(r.t.Context(), s, 1, []byte("first")); err != nil {
			r.t.Fatal(err)
		}
		if err := r.node.PublishConfirmed(r.t.Context(), s, 1, []byte("second")); !errors.Is(err, ErrConflict) {
			r.t.Errorf("a number used twice: %v", err)
		}
		r.fw.set(func() { r.fw.memory = true })
		if err := r.node.PublishConfirmed(r.t.Context(), s, 2, nil); !errors.Is(err, ErrNotKept) {
			r.t.Errorf("memory: %v", err)
		}
		r.fw.set(func() { r.fw.refuse[ask{temperature, 3}] = wire.ReturnRefused })
		r.wantReturn(r.node.PublishConfirmed(r.t.Context(), s, 3, nil), wire.ReturnRefused)
		r.fw.set(func() { r.fw.silent = true })
		ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
		defer cancel()
		if err := r.node.PublishConfirmed(ctx, s, 4, nil); !errors.Is(err, context.DeadlineExceeded) {
			r.t.Errorf("silence: %v", err)
		}
	})
}

func TestProducer(t *testing.T) {
	marks := openMarks(t, t.TempDir())
	inBubble(t, 1, faults{}, func(r *rig) {
		s := testStream(r.t, AES128CTR)
		p := NewProducer(r.node, s, marks)
		for want := uint32(1); want <= 3; want++ {
			if seq, err := p.Publish([]byte("x")); err != nil || seq != want {
				r.t.Errorf("%d, %v", seq, err)
			}
		}
		if _, err := p.Publish(make([]byte, wire.MaxPayload+1)); err == nil {
			r.t.Error("too long")
		}
		seq, err := p.PublishConfirmed(r.t.Context(), []byte("y"))
		if err != nil || seq != 4 { // the one that was too long cost no number
			r.t.Errorf("%d, %v", seq, err)
		}
		r.fw.set(func() {
			if r.fw.contents != 4 {
				r.t.Errorf("%d contents were sent", r.fw.contents)
			}
		})
		if err := marks.Close(); err != nil {
			r.t.Error(err)
		}
		if _, err := p.Publish(nil); !errors.Is(err, ErrClosed) {
			r.t.Error(err)
		}
	})
}

// A producer sends its last contents again and says of the others that they are gone (P-6).
func TestP6ProducerAnswersForItsName(t *testing.T) {
	marks := openMarks(t, t.TempDir())
	inBubble(t, 1, faults{}, func(r *rig) {
		p := NewProducer(r.node, testStream(r.t, AES128CTR), marks)
		for range 30 {
			if _, err := p.Publish([]byte("x")); err != nil {
				r.t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		for _, c := range []struct {
			name              name.Name
			seq               uint32
			contents, returns int
		}{
			{temperature, 30, 1, 0},
			{temperature, 15, 1, 0},
			{temperature, 14, 0, 1},
			{temperature, 31, 0, 1},
			{temperature, wire.SeqNewest, 1, 0},
			{temperature, wire.SeqSubscribe, 0, 0},
			{name.Name{9}, 1, 0, 0},
			{name.Hello, 0, 0, 0},
		} {
			r.fw.set(func() { r.fw.contents, r.fw.returns = 0, nil })
			asked := wire.MakeAsked(time.Now().UnixMilli(), 2)
			r.fw.set(func() {
				r.fw.send(r.face, wire.Header{Name: c.name, Seq: c.seq, Type: wire.Interest}, asked[:])
			})
			time.Sleep(time.Second)
			r.fw.set(func() {
				if r.fw.contents != c.contents || len(r.fw.returns) != c.returns {
					r.t.Errorf("%s number %d: %d contents, Returns %+v", c.name, c.seq, r.fw.contents, r.fw.returns)
				}
				for _, ret := range r.fw.returns {
					if ret != (wire.Returned{Reason: wire.ReturnNotHere, Asked: asked}) {
						r.t.Errorf("%+v", ret)
					}
				}
			})
		}
	})
}

// Who publishes may use the payload's memory again at once: what is kept and sent again is a copy.
func TestProducerKeepsCopies(t *testing.T) {
	marks := openMarks(t, t.TempDir())
	inBubble(t, 1, faults{}, func(r *rig) {
		p := NewProducer(r.node, testStream(r.t, None), marks)
		payload := []byte("value 1")
		if _, err := p.Publish(payload); err != nil {
			r.t.Fatal(err)
		}
		copy(payload, "value 2")
		if _, err := p.PublishConfirmed(r.t.Context(), payload); err != nil {
			r.t.Fatal(err)
		}
		copy(payload, "another")
		for seq := uint32(1); seq <= 2; seq++ {
			asked := wire.MakeAsked(time.Now().UnixMilli(), 2)
			r.fw.drop(temperature, seq)
			r.fw.set(func() {
				r.fw.send(r.face, wire.Header{Name: temperature, Seq: seq, Type: wire.Interest}, asked[:])
			})
			time.Sleep(time.Second)
			r.fw.set(func() {
				if got := string(r.fw.store[key{temperature, seq}]); got != payloadOf(seq) {
					r.t.Errorf("number %d is sent again as %q", seq, got)
				}
			})
		}
	})
}

// Contents of several callers leave in the order of their numbers.
func TestProducerKeepsTheOrder(t *testing.T) {
	marks := openMarks(t, t.TempDir())
	n, other := net.Pipe()
	node, err := New(n, testConfig())
	if err != nil {
		t.Fatal(err)
	}
	p := NewProducer(node, testStream(t, None), marks)
	done := make(chan error)
	for range 4 {
		go func() {
			var err error
			for i := 0; i < 100 && err == nil; i++ {
				_, err = p.Publish(nil)
			}
			done <- err
		}()
	}
	buf := make([]byte, 2048)
	for want := uint32(1); want <= 400; want++ {
		size, err := other.Read(buf)
		var f wire.Frame
		if f.Parse(buf[:size]); err != nil || f.Seq != want {
			t.Fatalf("number %d, want %d, %v", f.Seq, want, err)
		}
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := node.Close(); err != nil {
		t.Error(err)
	}
}

// A link that stands still stops who writes, and neither the reader nor Close.
func TestCloseWhileAWriteStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe() // nobody reads far: every Write waits
		n, err := New(near, testConfig())
		if err != nil {
			t.Fatal(err)
		}
		s, err := n.Subscribe(temperature, 1, false)
		if err != nil {
			t.Fatal(err)
		}
		published := make(chan error)
		go func() { published <- n.Publish(testStream(t, None), 1, nil) }()
		synctest.Wait()
		frame := signed(t, wire.Header{Name: temperature, Seq: 1, Type: wire.Content}, "value 1")
		for range 100 {
			if _, err := far.Write(frame); err != nil {
				t.Fatal(err)
			}
		}
		if u, err := s.Next(t.Context()); err != nil || textOf(u) != "1" {
			t.Errorf("%s, %v", textOf(u), err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if err := <-published; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

func signed(t testing.TB, h wire.Header, payload string) []byte {
	t.Helper()
	ring, err := wire.NewKeyring(testConfig().Network)
	if err != nil {
		t.Fatal(err)
	}
	raw := h.Append(nil, []byte(payload))
	if err := ring.Verifier().Sign(0, raw); err != nil {
		t.Fatal(err)
	}
	return raw
}

// The other end of the link goes away.
func TestLinkThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		n, err := New(near, testConfig())
		if err != nil {
			t.Fatal(err)
		}
		s, err := n.Subscribe(temperature, Now, false)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { _ = far.Close() })
		if _, err := s.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := n.Get(t.Context(), temperature, 1); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A device answers nothing: no Interest, no hello, no Announcement; and what does not verify is dropped.
func TestNodeAnswersNothing(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		asked := wire.MakeAsked(time.Now().UnixMilli(), 2)
		announced := wire.Announced{Lifetime: 60}
		for _, h := range []struct {
			wire.Header
			payload string
		}{
			{wire.Header{Name: temperature, Type: wire.Interest}, string(asked[:])},
			{wire.Header{Name: temperature, Seq: wire.SeqSubscribe, Type: wire.Interest}, ""},
			{wire.Header{Name: name.Hello, Type: wire.Interest}, string(asked[:])},
			{wire.Header{Type: wire.Announcement}, string(announced.Append(nil))},
			{wire.Header{Name: temperature, Seq: 1, Type: wire.Content}, "unasked"},
		} {
			frame := signed(r.t, h.Header, h.payload)
			for _, raw := range [][]byte{frame, append(frame[:len(frame)-1:len(frame)-1], frame[len(frame)-1]^1), frame[:10], {}} {
				if _, err := r.face.link.Write(raw); err != nil {
					r.t.Fatal(err)
				}
			}
		}
		time.Sleep(time.Second)
		if received, dropped := r.node.Stats(); received != 5 || dropped != 15 {
			r.t.Errorf("%d received, %d dropped", received, dropped)
		}
		if r.asks() != 0 || r.fw.contents != 0 {
			r.t.Error("the node said something")
		}
	})
}

func TestTrace(t *testing.T) {
	inBubble(t, 1, faults{delay: time.Millisecond}, func(r *rig) {
		var hops []Hop
		if err := r.node.Trace(r.t.Context(), temperature, 3*time.Second, func(h Hop) { hops = append(hops, h) }); err != nil {
			r.t.Fatal(err)
		}
		if len(hops) != 1 || hops[0] != (Hop{Node: 7, Reason: wire.ReturnNoRoute, RTT: 2 * time.Millisecond}) {
			r.t.Errorf("%+v", hops)
		}
		hops = nil
		r.fw.set(func() { r.fw.refuse[ask{temperature, wire.SeqNewest}] = wire.ReturnTTL })
		if err := r.node.Trace(r.t.Context(), temperature, 3*time.Second, func(h Hop) { hops = append(hops, h) }); err != nil || len(hops) != wire.MaxTTL+1 {
			r.t.Errorf("%d hops, %v", len(hops), err)
		}
		hops = nil
		r.publish(1, 1)
		r.fw.set(func() { clear(r.fw.refuse) })
		if err := r.node.Trace(r.t.Context(), temperature, 3*time.Second, func(h Hop) { hops = append(hops, h) }); err != nil {
			r.t.Fatal(err)
		}
		if len(hops) != 1 || hops[0].Node != 0 || hops[0].Reason != 0 {
			r.t.Errorf("%+v", hops)
		}
		r.fw.set(func() { r.fw.silent = true })
		start := time.Now()
		if err := r.node.Trace(r.t.Context(), temperature, 3*time.Second, func(h Hop) { r.t.Errorf("%+v", h) }); err != nil || time.Since(start) != 3*time.Second {
			r.t.Errorf("%v after %s", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		defer cancel()
		if err := r.node.Trace(ctx, temperature, 3*time.Second, nil); !errors.Is(err, context.DeadlineExceeded) {
			r.t.Error(err)
		}
	})
}

func TestAddressOf(t *testing.T) {
	for in, want := range map[string]string{
		"udp://gw:3000": "gw:3000", "gw": "gw:2208", "udp://gw": "gw:2208", "gw:": "gw:2208", "10.0.0.1": "10.0.0.1:2208",
		"::1": "[::1]:2208", "[::1]": "[::1]:2208", "udp://[::1]:9": "[::1]:9",
	} {
		if got, err := addressOf(in); err != nil || got != want {
			t.Errorf("%q is %q, %v, want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "udp://", "tcp://gw:1"} {
		if got, err := addressOf(bad); err == nil {
			t.Errorf("%q is %q", bad, got)
		}
	}
}

// Over a real socket on which nobody listens: the system answers with errors, and the node goes on.
func TestDialWhereNobodyListens(t *testing.T) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := socket.LocalAddr().String()
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := Dial(t.Context(), "udp://"+address, testConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	_, err = n.Get(ctx, temperature, 1)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "link: ") {
		t.Errorf("%v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

func TestNewRefusesAndCloses(t *testing.T) {
	near, _ := newLink(newChance(1), faults{})
	if _, err := New(near, Config{}); err == nil {
		t.Error("a network without keys")
	}
	if _, err := near.Write(nil); err == nil {
		t.Error("the link is open")
	}
}

// Whatever comes in, under a valid MAC or not, the node stays on its feet.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{7, 1, 2, 3, 1, 0, 0, 1, 0, 0, 5, 'x'}, true)
	f.Fuzz(func(t *testing.T, raw []byte, sign bool) {
		near, far := newLink(newChance(1), faults{})
		defer far.Close()
		n, err := New(near, testConfig())
		if err != nil {
			t.Fatal(err)
		}
		for _, wild := range []bool{false, true} {
			if _, err := n.Subscribe(temperature, Now, wild); err != nil {
				t.Fatal(err)
			}
		}
		w := n.wait(ask{temperature, 5})
		if sign && len(raw) >= wire.MinFrame+wire.NetIDSize {
			if err := n.ring.Verifier().Sign(0, raw); err != nil && !errors.Is(err, wire.ErrNoKey) {
				t.Fatal(err)
			}
		}
		n.take(n.ring.Verifier(), raw)
		n.take(n.ring.Verifier(), raw)
		w.forget()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
