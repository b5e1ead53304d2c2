package host_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// load is a consumer and a producer at the raw ends of two lines of a node, whose driver is slip: they escape and unescape by themselves,
// and see each frame once and in order, or the test fails. Nothing is asked twice, so nothing that is lost comes back.
type load struct {
	t     *testing.T
	world *world
	stop  func()

	mu       sync.Mutex
	changed  sync.Cond
	asked    int // Interests that the consumer has sent
	reached  int // that came to the producer
	answered int // Contents that came back
	decoded  int
	ended    bool
	err      error
}

// How the load flows: so many Interests a second, so many of them without an answer at most.
const (
	loadPace   = 12_500
	loadWindow = 256
	loadNames  = 4 // in turn, so that every worker has its part
	loadDecode = 8 // of so many contents one is decoded
)

func loadName(k int) name.Name { return name.Name{0xA0, byte(k % loadNames), 2, 3, 4, 5} }

// loadSeq is the number of the kth exchange in its name.
func loadSeq(k int) uint32 { return uint32(k/loadNames) + 1 }

// reading is a temperature as Cayenne LPP has it, in tenths of a degree.
func reading(k int) []byte { return []byte{1, 0x67, byte(k % 1000 >> 8), byte(k % 1000)} }

// newLoad begins to ask through the line that listens at in, and to answer who connects to producer.
func newLoad(t *testing.T, w *world, in string, producer net.Listener) *load {
	ring, err := wire.NewKeyring(wire.Network{Keys: [wire.NetworkKeys]*[wire.KeySize]byte{&testKey}})
	if err != nil {
		t.Fatal(err)
	}
	l := &load{t: t, world: w}
	l.changed.L = &l.mu
	far, err := producer.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near, err := net.Dial("unix", in)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the line is up", func() bool { return w.faceNamed("up").Up })
	var all sync.WaitGroup
	all.Go(func() { l.produce(&slipLine{conn: far, signer: ring.Verifier()}) })
	all.Go(func() { l.consume(&slipLine{conn: near}) })
	all.Go(func() { l.ask(&slipLine{conn: near, signer: ring.Verifier()}) })
	l.stop = sync.OnceFunc(func() {
		l.wait("what was asked is answered", func() bool { l.ended = true; return l.answered == l.asked })
		_, _ = near.Close(), far.Close()
		all.Wait()
		if l.err != nil {
			t.Error(l.err)
		}
	})
	return l
}

// wait waits until something holds, under mu, or the load has failed.
func (l *load) wait(what string, done func() bool) {
	l.t.Helper()
	timer := time.AfterFunc(30*time.Second, func() { l.fail("waited in vain until %s", what) })
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !done() && l.err == nil {
		l.changed.Wait()
	}
}

// flow waits until n more are answered.
func (l *load) flow(n int) {
	l.t.Helper()
	to := -1
	l.wait("the load flows", func() bool {
		if to < 0 {
			to = l.answered + n
		}
		return l.answered >= to
	})
	if l.err != nil {
		l.t.Fatal(l.err)
	}
}

// count is how many frames the node was sent.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked + l.reached
}

// fail notes what went wrong first, and ends the waiting.
func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = fmt.Errorf(format, args...)
	}
	l.changed.Broadcast()
}

// ask sends Interests at their pace, as many at once as are due and the window has room for.
func (l *load) ask(line *slipLine) {
	due := time.NewTicker(time.Millisecond)
	defer due.Stop()
	begun, missed := time.Now(), 0
	for range due.C {
		l.mu.Lock()
		n := min(int(time.Since(begun).Seconds()*loadPace)-missed-l.asked, loadWindow)
		room := loadWindow - (l.asked - l.answered)
		if n > room { // what the node could not take is not made up for in one go
			n, missed = room, missed+n-room
		}
		first, end := l.asked, l.ended || l.err != nil
		if !end {
			l.asked += n
		}
		l.mu.Unlock()
		if end {
			return
		}
		expiry := wire.MakeAsked(time.Now().UnixMilli(), 30)
		for k := first; k < first+n; k++ {
			line.add(&wire.Header{Name: loadName(k), Seq: loadSeq(k), Type: wire.Interest, TTL: 7}, expiry[:])
		}
		if err := line.flush(); err != nil {
			l.fail("the consumer: %w", err)
			return
		}
	}
}

// produce answers each Interest, of which each comes once, and in order in its name.
func (l *load) produce(line *slipLine) {
	next := [loadNames]uint32{1, 1, 1, 1}
	l.take(line, "the producer", func(f *wire.Frame) bool {
		k := int(f.Name[1]) % loadNames
		if f.Type != wire.Interest || f.Name != loadName(k) || f.Seq != next[k] {
			l.fail("the producer got %s %s %d, want the Interest %d", f.Type, f.Name, f.Seq, next[k])
			return false
		}
		next[k]++
		line.add(&wire.Header{Name: f.Name, Seq: f.Seq, Type: wire.Content, TTL: 7}, reading(k+loadNames*int(f.Seq-1)))
		return true
	}, func(n int) error {
		l.mu.Lock()
		l.reached += n
		l.mu.Unlock()
		return line.flush()
	})
}

// consume takes each Content, of which each comes once, and in order in its name, and has some decoded.
func (l *load) consume(line *slipLine) {
	next, decoded, n := [loadNames]uint32{1, 1, 1, 1}, 0, 0
	l.take(line, "the consumer", func(f *wire.Frame) bool {
		k := int(f.Name[1]) % loadNames
		at := k + loadNames*int(f.Seq-1)
		if f.Type != wire.Content || f.Name != loadName(k) || f.Seq != next[k] || !bytes.Equal(f.Payload, reading(at)) {
			l.fail("the consumer got %s %s %d with %x, want the Content %d with %x", f.Type, f.Name, f.Seq, f.Payload, next[k], reading(at))
			return false
		}
		next[k]++
		if n++; n%loadDecode == 0 {
			decoded++
			d, err := l.world.host.Decode(context.Background(), "cayenne-lpp", f.Payload)
			if err != nil || len(d.Records) != 1 || int(d.Records[0].Number*10+0.5) != at%1000 {
				l.fail("number %d is decoded as %+v, %w", at, d, err)
				return false
			}
		}
		return true
	}, func(n int) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.answered, l.decoded = l.answered+n, decoded
		l.changed.Broadcast()
		return nil
	})
}

// take reads frames until the line is closed, or one is not as it should be. settle is told of each burst.
func (l *load) take(line *slipLine, who string, frame func(*wire.Frame) bool, settle func(n int) error) {
	buf, have := make([]byte, 64<<10), 0
	for {
		n, err := line.conn.Read(buf[have:])
		if err != nil {
			l.mu.Lock()
			over := l.ended
			l.mu.Unlock()
			if !over {
				l.fail("%s: %w", who, err)
			}
			return
		}
		rest, frames := buf[:have+n], 0
		for {
			raw, more, ok := bytes.Cut(rest, []byte{slipEnd})
			if !ok {
				break
			}
			rest = more
			if raw = unslip(raw); len(raw) == 0 {
				continue
			}
			var f wire.Frame
			if why := f.Parse(raw); why != 0 {
				l.fail("%s: %x is no frame: %s", who, raw, why)
				return
			}
			if frames++; !frame(&f) {
				return
			}
		}
		have = copy(buf, rest)
		if err := settle(frames); err != nil {
			l.fail("%s: %w", who, err)
			return
		}
	}
}

// slipLine is one end of a line with SLIP (RFC 1055), by hand.
type slipLine struct {
	conn   net.Conn
	signer *wire.Verifier
	raw    []byte
	out    []byte
}

const (
	slipEnd = 0xC0
	slipEsc = 0xDB
)

// add signs a frame and puts it into what is to be sent.
func (s *slipLine) add(h *wire.Header, payload []byte) {
	s.raw = h.Append(s.raw[:0], payload)
	if err := s.signer.Sign(0, s.raw); err != nil {
		panic(err) // there is a key 0
	}
	for _, b := range s.raw {
		switch b {
		case slipEnd:
			s.out = append(s.out, slipEsc, 0xDC)
		case slipEsc:
			s.out = append(s.out, slipEsc, 0xDD)
		default:
			s.out = append(s.out, b)
		}
	}
	s.out = append(s.out, slipEnd)
}

func (s *slipLine) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}

// unslip takes the escapes out in place.
func unslip(b []byte) []byte {
	n := 0
	for i := 0; i < len(b); i, n = i+1, n+1 {
		b[n] = b[i]
		if b[i] == slipEsc && i+1 < len(b) {
			i++
			b[n] = map[byte]byte{0xDC: slipEnd, 0xDD: slipEsc}[b[i]]
		}
	}
	return b[:n]
}
