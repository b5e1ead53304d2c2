package driver

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
)

// reads takes one frame off a connection.
func reads(t testing.TB, c net.Conn) []byte {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patient))
	b := make([]byte, 2000)
	n, err := io.ReadAtLeast(c, b, 2) // of a datagram all
	if err != nil {
		t.Fatal(err)
	}
	size := 2 + int(binary.BigEndian.Uint16(b))
	if n < size {
		if _, err := io.ReadFull(c, b[n:size]); err != nil {
			t.Fatal(err)
		}
	}
	return b[2:size]
}

func dial(t testing.TB, l *Line) net.Conn {
	t.Helper()
	network := string(l.Transport())
	c, err := net.Dial(network, l.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func writes(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// A device publishes and asks, in pieces and in bursts, by each transport that listens.
func TestListeners(t *testing.T) {
	for _, c := range []struct {
		transport Transport
		listen    string
	}{{TCP, "127.0.0.1:0"}, {UDP, "127.0.0.1:0"}, {Unix, filepath.Join(t.TempDir(), "s")}} {
		t.Run(string(c.transport), func(t *testing.T) {
			n := newNode(t)
			l := n.open(LineConfig{Codec: newCodec(), Transport: c.transport, Listen: c.listen})
			conn := dial(t, l)
			b := framed(n.content(1, "one"), n.content(2, "two"))
			if c.transport != UDP {
				writes(t, conn, b[:7])
				b = b[7:]
			}
			writes(t, conn, b)
			n.until("it is taken", func() bool { f := l.face1(); return f != nil && f.Counters().InFrames == 2 })
			reader := dial(t, l)
			writes(t, reader, framed(n.interest(2)))
			if got := reads(t, reader); !strings.Contains(string(got), "two") {
				t.Errorf("%q", got)
			}
			if k := l.Peers(); k != 2 {
				t.Errorf("%d peers", k)
			}
			_ = reader.Close()
			_ = conn.Close()
			if c.transport != UDP {
				n.until("the face is gone", func() bool { faces := 0; n.Faces(func(*forward.Face) { faces++ }); return faces == 0 && l.Peers() == 0 })
			}
		})
	}
}

// Garbage makes no face and grows nothing; what comes after it on another connection is heard.
func TestGarbage(t *testing.T) {
	n := newNode(t)
	l := n.open(LineConfig{Codec: newCodec(), Transport: TCP, Listen: "127.0.0.1:0"})
	conn := dial(t, l)
	writes(t, conn, append([]byte{0xFF, 0xFF}, make([]byte, 100_000)...)) // a frame that never ends
	n.until("it is counted", func() bool { return l.cfg.Listener.Drops()[drop.Framing] > 0 })
	writes(t, dial(t, l), []byte{0x80, 0, 1, 2, 3}) // damage that the driver sees
	n.until("it is counted", func() bool { return l.cfg.Listener.Drops()[drop.Framing] > 1 })
	other := dial(t, l)
	bad := n.content(1, "x")
	bad[len(bad)-1] ^= 1
	writes(t, other, framed(bad, make([]byte, 3), make([]byte, 1281), n.content(1, "good"), n.interest(1)))
	reads(t, other)
	d := l.cfg.Listener.Drops()
	if d[drop.BadMAC] != 1 || d[drop.Short] < 1 || d[drop.Long] != 1 {
		t.Errorf("bad MAC %d, short %d, long %d", d[drop.BadMAC], d[drop.Short], d[drop.Long])
	}
}

// What a driver traps on is lost, and so is what was not parsed yet: it never becomes a frame.
func TestTrap(t *testing.T) {
	n, c := newNode(t), newCodec()
	c.trap = 0x70
	l := n.open(LineConfig{Codec: c, Transport: TCP, Listen: "127.0.0.1:0"})
	conn := dial(t, l)
	writes(t, conn, framed(n.content(1, "one")))
	n.until("it is a face", func() bool { return l.face1() != nil })
	writes(t, conn, append([]byte{0, 50, 0x70}, framed(n.content(2, "two"))...))
	n.until("the trap is counted", func() bool { return l.face1().Counters().Drops[drop.DriverTrap] == 1 })
	writes(t, conn, framed(n.interest(1)))
	reads(t, conn)
	if got := l.face1().Counters().InFrames; got != 2 {
		t.Errorf("%d frames", got)
	}
}

// face1 is the face of the only peer.
func (l *Line) face1() *forward.Face {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.peers {
		return p.face.Load()
	}
	return nil
}

// Connections are bounded for one address, and those that bring nothing are cut.
func TestConnectionsAreBounded(t *testing.T) {
	n := newNode(t)
	l := n.open(LineConfig{Codec: newCodec(), Transport: TCP, Listen: "127.0.0.1:0"})
	for range maxPerAddress {
		dial(t, l)
	}
	n.until("all are accepted", func() bool { return l.Peers() == maxPerAddress })
	more := dial(t, l)
	_ = more.SetReadDeadline(time.Now().Add(patient))
	if _, err := more.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if c := l.Counters(); c.Refused != 1 || l.cfg.Listener.Drops()[drop.FacesFull] != 1 {
		t.Errorf("%+v", c)
	}
}

// A unix socket that a killed process has left makes room; one that is in use does not, and neither does a file.
func TestUnixSocketIsLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	_ = left.Close()
	n := newNode(t)
	n.open(LineConfig{Codec: newCodec(), Transport: Unix, Listen: path})
	if _, err := n.lines.Open(t.Context(), LineConfig{Codec: newCodec(), Transport: Unix, Listen: path, Listener: &forward.Listener{}}); err == nil {
		t.Error("two listen on one path")
	}
}

// pipe gives connections to a client, one after the other; nil is one that fails.
func pipe(conns ...net.Conn) func(context.Context) (stream, error) {
	return func(context.Context) (stream, error) {
		if len(conns) == 0 || conns[0] == nil {
			conns = conns[min(1, len(conns)):]
			return nil, errors.New("nobody is there")
		}
		c := conns[0]
		conns = conns[1:]
		return c, nil
	}
}

// A client tries again after pauses that grow, and its face is up while it is connected.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNode(t), newCodec()
		near, far := net.Pipe()
		again, farAgain := net.Pipe()
		begun := time.Now()
		l := n.over(c, pipe(nil, nil, nil, near, nil, again))
		synctest.Wait()
		if l.Face().Up() || l.LastError() == nil {
			t.Error("it is up")
		}
		for !l.Face().Up() {
			time.Sleep(time.Millisecond)
		}
		// Three pauses of 250, 500 and 1000 ms, each shortened to between a half and the whole.
		if d := time.Since(begun); d < 875*time.Millisecond || d > 1800*time.Millisecond || l.LastError() != nil || c.seen(Up) != 1 {
			t.Errorf("connected after %s, %v", d, l.LastError())
		}
		_ = far.Close()
		synctest.Wait()
		if l.Face().Up() || c.seen(Down) != 1 {
			t.Error("it is still up")
		}
		time.Sleep(2 * lastPause)
		synctest.Wait()
		if !l.Face().Up() || l.Counters().Connects != 2 {
			t.Errorf("%+v", l.Counters())
		}
		_ = farAgain.Close()
	})
}

// A peer that takes nothing is dropped: whoever sends has not waited, the queue is bounded, and everything is counted.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		near, far := net.Pipe()
		l := n.over(newCodec(), pipe(near))
		synctest.Wait()
		p, frame := l.peerOf(0), n.content(1, "x")
		begun, taken := time.Now(), 0
		for range 20 {
			taken += p.Send([][]byte{frame, frame, frame, frame, frame, frame, frame, frame, frame, frame})
			synctest.Wait()
		}
		if q := p.Queued(); q != taken { // none has left
			t.Errorf("%d frames wait, %d were taken", q, taken)
		}
		for range 100 {
			taken += p.Send([][]byte{frame, frame, frame, frame, frame, frame, frame, frame, frame, frame})
		}
		if time.Since(begun) != 0 || taken > 10+queueFrames || p.Refusal() != drop.SendQueue {
			t.Errorf("%d taken in %s, then %s", taken, time.Since(begun), p.Refusal())
		}
		time.Sleep(patience + time.Millisecond)
		synctest.Wait()
		d := l.Face().Counters().Drops
		if l.Face().Up() || d[drop.SlowPeer] == 0 || int(d[drop.SlowPeer]+d[drop.FaceDown]) != taken {
			t.Errorf("%d taken, %d slow, %d down", taken, d[drop.SlowPeer], d[drop.FaceDown])
		}
		if p.Send([][]byte{frame}) != 0 || p.Refusal() != drop.FaceDown {
			t.Error("a line that is cut takes frames")
		}
		if q := p.Queued(); q != 0 {
			t.Errorf("%d frames wait on a line that is cut", q)
		}
		_ = far.Close()
	})
}

// No goroutine is left of lines that were closed while frames went both ways.
func TestCloseWhileFramesFlow(t *testing.T) {
	before := runtime.NumGoroutine()
	n := newNode(t)
	a, err := n.lines.Open(t.Context(), LineConfig{Codec: newCodec(), Transport: TCP, Listen: "127.0.0.1:0", Listener: &forward.Listener{Policy: forward.FaceConfig{Publish: anyone()}}})
	if err != nil {
		t.Fatal(err)
	}
	other := newNode(t)
	b, err := other.lines.Open(t.Context(), LineConfig{Codec: newCodec(), Transport: TCP, Remote: a.Address(), Face: forward.FaceConfig{Name: "up"}})
	if err != nil {
		t.Fatal(err)
	}
	other.until("it is up", func() bool { return b.Face().Up() })
	stop := make(chan bool)
	done := make(chan bool)
	go func() {
		defer close(done)
		for seq := uint32(1); ; seq++ {
			select {
			case <-stop:
				return
			default:
				b.peerOf(0).Send([][]byte{other.content(seq, "x"), other.interest(seq)})
			}
		}
	}()
	n.until("frames flow", func() bool { return b.Face().Counters().InFrames > 100 })
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	close(stop)
	<-done
	n.until("no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}
