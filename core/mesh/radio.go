package mesh

import (
	"math"
	"time"

	"github.com/zmesh/zmesh/core/forward"
)

// RadioConfig is how a radio channel behaves. Signals fall with the distance (log-distance path loss); stations listen before they
// send; two frames that meet at a listener are lost there unless one is much stronger.
type RadioConfig struct {
	BitRate     float64 // bits a second; with 0 frames take no time, and so never meet
	Power       float64 // dBm at a distance of 1 m
	Exponent    float64 // of the path loss: 2 in free space, 3 to 4 in buildings
	Sensitivity float64 // dBm; what is weaker is not heard
	Fading      float64 // dB, standard deviation of each frame at each listener
}

// SubGHz is a channel at 868 MHz as the protocol page has it: 50 kbit/s, 14 dBm sent, which a listener 860 m away just hears.
func SubGHz() RadioConfig {
	return RadioConfig{BitRate: 50_000, Power: -17, Exponent: 3, Sensitivity: -105, Fading: 1}
}

// capture is by how many dB a frame must be stronger than another to be received all the same.
const capture = 6

// backoff is the unit of the random pause before a station that found the channel taken tries again.
const backoff = 2 * time.Millisecond

// Radio is a channel that all its stations share.
type Radio struct {
	RadioConfig
	m        *Mesh
	stations []*Station
	air      []*transmission // under way, or ended a moment ago

	// Sent counts frames that were sent, Met what listeners lost because frames met.
	Sent, Met uint64
}

// Station is a device on a radio channel, at a place in metres.
type Station struct {
	X, Y float64
	// Heard is called with each frame that arrives, and how strongly, in dBm.
	Heard func(raw []byte, signal int16)
	// Sent counts its frames.
	Sent uint64

	r       *Radio
	queue   [][]byte
	sending bool
	waiting bool
}

type transmission struct {
	from       *Station
	start, end time.Duration
}

// Radio adds a channel.
func (m *Mesh) Radio(c RadioConfig) *Radio { return &Radio{RadioConfig: c, m: m} }

// Station adds a device.
func (r *Radio) Station(x, y float64) *Station {
	s := &Station{X: x, Y: y, r: r}
	r.stations = append(r.stations, s)
	return s
}

// Tune puts a forwarder on the channel, with a broadcast face.
func (r *Radio) Tune(n *Node, x, y float64, cfg forward.FaceConfig) (*Station, Face, error) {
	cfg.Broadcast = true
	s := r.Station(x, y)
	e := &end{node: n, cfg: cfg, radio: s}
	s.Heard = func(raw []byte, signal int16) { n.hear(e.face, raw, signal) }
	n.ends = append(n.ends, e)
	err := e.attach()
	n.plan()
	return s, Face{e}, err
}

// Send queues a frame.
func (s *Station) Send(raw []byte) {
	s.queue = append(s.queue, append([]byte(nil), raw...))
	s.try()
}

// Queued is how many frames wait for the channel.
func (s *Station) Queued() int { return len(s.queue) }

// signal is how strongly one station hears another, without fading.
func (r *Radio) signal(from, to *Station) float64 {
	d := math.Hypot(from.X-to.X, from.Y-to.Y)
	return r.Power - 10*r.Exponent*math.Log10(max(d, 1))
}

// try sends the next frame if the channel is free here, or waits until it is.
func (s *Station) try() {
	if s.sending || s.waiting || len(s.queue) == 0 {
		return
	}
	m := s.r.m
	free := m.now
	for _, t := range s.r.air {
		if s.r.signal(t.from, s) >= s.r.Sensitivity {
			free = max(free, t.end)
		}
	}
	if free > m.now {
		s.waiting = true
		m.at(free+time.Duration(1+m.rng.IntN(8))*backoff, func() { s.waiting = false; s.try() })
		return
	}
	raw := s.queue[0]
	s.queue = s.queue[1:]
	s.sending = true
	m.Frames++
	s.Sent++
	s.r.Sent++
	m.note(-1, raw)
	t := &transmission{from: s, start: m.now, end: m.now}
	if s.r.BitRate > 0 {
		t.end += time.Duration(float64(len(raw)*8) / s.r.BitRate * float64(time.Second))
	}
	s.r.air = append(s.r.air, t)
	m.at(t.end, func() { s.r.finish(t, raw) })
}

// finish hands a frame to all who hear it.
func (r *Radio) finish(t *transmission, raw []byte) {
	for _, s := range r.stations {
		if s == t.from || s.Heard == nil {
			continue
		}
		signal := r.signal(t.from, s) + r.Fading*r.m.rng.NormFloat64()
		if signal < r.Sensitivity {
			continue
		}
		if r.meets(t, s, signal) {
			r.Met++
			continue
		}
		copied := append([]byte(nil), raw...)
		r.m.at(r.m.now, func() { s.Heard(copied, int16(math.Round(signal))) })
	}
	t.from.sending = false
	kept := r.air[:0]
	for _, o := range r.air { // a frame has at most 1,280 bytes, which take 205 ms at 50 kbit/s
		if o.end > r.m.now-time.Second {
			kept = append(kept, o)
		}
	}
	r.air = kept
	t.from.try()
}

// meets tells whether another frame spoils one at a listener, or it was sending itself.
func (r *Radio) meets(t *transmission, at *Station, signal float64) bool {
	for _, o := range r.air {
		if o == t || o.start >= t.end || o.end <= t.start {
			continue
		}
		other := r.signal(o.from, at)
		if o.from == at || other >= r.Sensitivity && signal-other < capture {
			return true
		}
	}
	return false
}
