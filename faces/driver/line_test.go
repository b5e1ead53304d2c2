package driver

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
)

// arrivals notes when bytes come out of a pipe.
func arrivals(t *testing.T, far net.Conn) *[]time.Duration {
	var list []time.Duration
	begun := time.Now()
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := far.Read(buf); err != nil {
				return
			}
			list = append(list, time.Since(begun))
		}
	}()
	t.Cleanup(func() { _ = far.Close() })
	return &list
}

// With a duty cycle of a tenth a frame that takes 10 ms is followed by 90 ms of silence, and what has no room meanwhile is counted so.
func TestDutyCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNode(t), newCodec()
		frame := n.content(1, "x")
		c.traits.DutyCycle, c.traits.BitRate = 0.1, (len(frame)+2)*8*100
		near, far := net.Pipe()
		at := arrivals(t, far)
		l := n.over(c, pipe(near))
		synctest.Wait()
		p := l.peerOf(0)
		p.Send([][]byte{frame, frame, frame})
		synctest.Wait()
		taken := 0
		for range queueFrames + 10 {
			taken += p.Send([][]byte{frame})
		}
		if why := p.Refusal(); taken != queueFrames || why != drop.DutyCycle {
			t.Errorf("%d taken, then %s", taken, why)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if k := len(*at); k != 11 || (*at)[1] != 100*time.Millisecond || (*at)[10] != time.Second {
			t.Errorf("%d sent at %v", k, *at)
		}
		if k := l.Counters().DutyCycle; k == 0 {
			t.Error("no wait was counted")
		}
	})
}

// On a half duplex medium nothing is sent while something comes in, nor for the turnaround after it.
func TestHalfDuplex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNode(t), newCodec()
		c.traits.HalfDuplex, c.traits.Turnaround = true, 20*time.Millisecond
		near, far := net.Pipe()
		at := arrivals(t, far)
		l := n.over(c, pipe(near))
		synctest.Wait()
		for range 5 { // the other end talks until 40 ms
			if _, err := far.Write(framed(n.content(1, "x"))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			l.peerOf(0).Send([][]byte{n.content(2, "y")})
			synctest.Wait()
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(*at) != 5 || (*at)[0] != 60*time.Millisecond || (*at)[1] != 80*time.Millisecond {
			t.Errorf("sent at %v", *at)
		}
		if k := l.Counters().HalfDuplex; k == 0 {
			t.Error("no wait was counted")
		}
	})
}

// The driver's timer: the latest word counts.
func TestTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNode(t), newCodec()
		c.timer = time.Hour
		near, far := net.Pipe()
		arrivals(t, far)
		l := n.over(c, pipe(near))
		synctest.Wait()
		c.set(func() { c.timer = 30 * time.Millisecond })
		l.peerOf(0).Send([][]byte{n.content(1, "x")})
		time.Sleep(29 * time.Millisecond)
		synctest.Wait()
		if c.seen(Timer) != 0 {
			t.Error("too early")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if c.seen(Timer) != 1 {
			t.Error("it did not fire")
		}
		time.Sleep(2 * time.Hour)
		if c.seen(Timer) != 1 {
			t.Error("it fired again")
		}
	})
}

// While there is no driver the face is down, and comes up with it.
func TestNoDriver(t *testing.T) {
	n, c := newNode(t), newCodec()
	near, far := net.Pipe()
	arrivals(t, far)
	l := n.over(c, pipe(near))
	n.until("it is up", func() bool { return l.Face().Up() })
	c.set(func() { c.absent = true })
	l.peerOf(0).Send([][]byte{n.content(1, "x")})
	n.until("it is down", func() bool { return !l.Face().Up() })
	if d := l.Face().Counters().Drops[drop.NoDriver]; d != 1 {
		t.Errorf("%d dropped", d)
	}
	c.set(func() { c.absent = false })
	n.until("it is up", func() bool { return l.Face().Up() })
}

func TestRefusedLines(t *testing.T) {
	n := newNode(t)
	stream, datagram := newCodec(), newCodec()
	stream.traits.Datagram, datagram.traits.Stream = false, false
	for want, cfg := range map[string]LineConfig{
		"works on datagrams only": {Codec: datagram, Transport: TCP, Remote: "127.0.0.1:1"},
		"works on streams":        {Codec: stream, Transport: UDP, Listen: "127.0.0.1:0"},
		"cannot be":               {Codec: stream, Transport: TCP},
		"by serial":               {Codec: stream, Transport: Serial, Listen: "x"},
		"no such file":            {Codec: stream, Transport: Unix, Listen: "/nowhere/at/all"},
		`face "line": listen tcp`: {Codec: stream, Transport: TCP, Listen: "192.0.2.1:1"},
	} {
		cfg.Face.Name = "line"
		if cfg.Listen != "" {
			cfg.Listener = &forward.Listener{}
		}
		if _, err := n.lines.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

// A face has no more than its driver allows.
func TestLimit(t *testing.T) {
	traits := Traits{MTU: 64, Broadcast: true}
	f := forward.FaceConfig{MTU: 1280, Hello: true}
	if traits.Limit(&f); f.MTU != 64 || !f.Broadcast || f.Hello {
		t.Errorf("%+v", f)
	}
	f = forward.FaceConfig{MTU: 40, Hello: true}
	traits = Traits{MTU: 64}
	if traits.Limit(&f); f.MTU != 40 || f.Broadcast || !f.Hello {
		t.Errorf("%+v", f)
	}
}
