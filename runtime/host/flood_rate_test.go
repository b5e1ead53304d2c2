package host_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// steadyRate is how many contents a second a face publishes that floods nobody, and another asks for.
const steadyRate = 200

// TestSoakFloodLeavesTheRate floods with 100,000 new names a second, a million at full length, and compares how a face at a steady rate is
// served before, meanwhile and afterwards. All must be answered; how soon is asserted at full length without the race detector, else logged.
func TestSoakFloodLeavesTheRate(t *testing.T) {
	fraction, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set: make soak runs this")
	}
	for _, class := range []string{"memory", "buffered"} {
		t.Run(class, func(t *testing.T) {
			floodAndRate(t, class, max(int(1_000_000*fraction), 200_000), fraction >= 1 && !underRace)
		})
	}
}

func floodAndRate(t *testing.T, class string, flood int, timed bool) {
	w := newWorld(t, fmt.Sprintf(floodConfig, class))
	s := &steady{honest: newVolume(t, w.address("lan"), 64), reader: newVolume(t, w.address("lan"), 64), sent: map[question]time.Time{}}
	wild := newVolume(t, w.address("wild"), 0)
	frames := wild.strangers(flood)
	while := func(d time.Duration) <-chan float64 {
		ended := make(chan float64, 1)
		time.AfterFunc(d, func() { ended <- 0 })
		return ended
	}
	before, _ := s.run(while(time.Second))
	done := make(chan float64, 1)
	go func() { done <- wild.burst(frames) }()
	during, rate := s.run(done)
	after, _ := s.run(while(time.Second))
	heard := uint64(0)
	for _, f := range w.host.Faces() {
		if f.Name == "wild" && f.Listener {
			heard = f.InFrames
		}
	}
	t.Logf("%d new names at %.0f/s, of which the node heard %d; before: %v; meanwhile: %v; afterwards: %v; not kept: %v",
		flood, rate, heard, before, during, after, w.host.Store().NotKept)
	for _, got := range []served{before, during, after} {
		if got.answered*100 < got.asked*99 {
			t.Errorf("%v: want 99 of 100 answered", got)
		}
	}
	if limit := 10*max(before.median, after.median) + 20*time.Millisecond; timed && during.median > limit {
		t.Errorf("an answer takes %s while the other face floods, want at most %s", during.median, limit)
	}
}

// steady publishes and asks at a fixed rate.
type steady struct {
	honest, reader *volume
	next           int // content, over all names
	sent           map[question]time.Time
	took           []time.Duration
}

// served is how that went.
type served struct {
	asked, answered int
	rate            float64
	median          time.Duration
}

func (s served) String() string {
	return fmt.Sprintf("%d of %d answered, %.0f/s, in %s (median)", s.answered, s.asked, s.rate, s.median)
}

// run publishes a content every 5 ms and asks for it on the other face at once, until it is told that the rest has ended, and waits for the
// last answers.
func (s *steady) run(ended <-chan float64) (out served, said float64) {
	s.took = s.took[:0]
	start := time.Now()
	for tick := start; ; {
		select {
		case said = <-ended:
			out.rate = float64(out.asked) / time.Since(start).Seconds()
			for end := time.Now().Add(10 * time.Second); len(s.sent) > 0 && s.read(end); {
			}
			clear(s.sent)
			slices.Sort(s.took)
			if out.answered = len(s.took); out.answered > 0 {
				out.median = s.took[out.answered/2]
			}
			return out, said
		default:
		}
		i, seq := s.next%len(s.honest.names), uint32(s.next/len(s.honest.names)+1)
		s.next++
		s.honest.send(wire.Header{Name: s.honest.names[i], Seq: seq, Type: wire.Content, TTL: 7}, s.honest.payload(i, seq))
		asked := wire.MakeAsked(time.Now().UnixMilli(), 30)
		s.sent[question{s.reader.names[i], seq}] = time.Now()
		s.reader.send(wire.Header{Name: s.reader.names[i], Seq: seq, Type: wire.Interest, TTL: 7}, asked[:])
		out.asked++
		for tick = tick.Add(time.Second / steadyRate); s.read(tick); {
		}
	}
}

// read takes one answer; false if none came until then.
func (s *steady) read(until time.Time) bool {
	v := s.reader
	if err := v.conn.SetReadDeadline(until); err != nil {
		v.t.Fatal(err)
	}
	n, err := v.conn.Read(v.buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	if err != nil {
		v.t.Fatal(err)
	}
	var f wire.Frame
	if why := f.Parse(v.buf[:n]); why != 0 {
		v.t.Fatal(why)
	}
	q := question{f.Name, f.Seq}
	at, ok := s.sent[q]
	if !ok { // given up
		return true
	}
	if i := slices.Index(v.names, f.Name); f.Type != wire.Content || !bytes.Equal(f.Payload, v.payload(i, f.Seq)) {
		v.t.Fatalf("%s %s #%d with %q, which was not published so", f.Type, f.Name, f.Seq, f.Payload)
	}
	s.took = append(s.took, time.Since(at))
	delete(s.sent, q)
	return true
}

// strangers gives contents of n names that nobody knows, ready to be sent.
func (v *volume) strangers(n int) (frames [][]byte) {
	all := make([]byte, 0, 64*n)
	for i := range n {
		h := wire.Header{Name: name.Hash(fmt.Sprintf("stranger/%d", i)), Seq: 1, Type: wire.Content, TTL: 7}
		at := len(all)
		all = h.Append(all, []byte("a name that nobody knows"))
		if err := v.signer.Sign(0, all[at:]); err != nil {
			v.t.Fatal(err)
		}
		frames = append(frames, all[at:])
	}
	return frames
}

// burst sends frames, 100,000 a second, as many in a burst as are due, and gives how many a second it came to.
func (v *volume) burst(frames [][]byte) float64 {
	start := time.Now()
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for at := 0; at < len(frames); <-pace.C {
		for due := min(int(time.Since(start).Seconds()*100_000), len(frames)); at < due; at++ {
			_, _ = v.conn.Write(frames[at]) // what its own socket drops is its own trouble
		}
	}
	return float64(len(frames)) / time.Since(start).Seconds()
}
