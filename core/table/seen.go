package table

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// Times of P-2a and P-11.
const (
	SentOnce      = 4 * time.Second  // the same Interest leaves on a face at most once in this
	SentKept      = 60 * time.Second // how long an Interest that comes in where it was sent to is known as a loop
	DefaultWindow = 5 * time.Minute  // P-4
)

// SeenKey is all that makes two Interests the same one, heard twice (P-2a). Asked is [wire.Asked.Bits], zero for one without payload: three numbers,
// which stay in registers on their way.
type SeenKey struct {
	Name  name.Key
	Seq   uint32
	Asked uint64
}

// timed tells whether the Interest has a timestamp.
func (k SeenKey) timed() bool { return k.Asked>>16 != 0 }

// Seen remembers Interests, each by its name, FSEQ, timestamp and expiry: which faces they left on (P-2a), and from
// which on-demand peer they were first heard (P-11).
//
// Full: an old one is overwritten. The table only saves work and makes replaying harder; answers never depend on it.
// What it forgets too early leaves once more, or loops until its TTL ends.
type Seen struct {
	seed  Seed
	sent  *recent[struct{}]
	heard *recent[uint64] // source
}

// NewSeen makes a table of limit Interests that left and as many that came, rounded up to a power of two. When full, each takes 32
// bytes and 48. window is how long an Interest is bound to where it was first
// heard; 0 means DefaultWindow.
func NewSeen(seed Seed, limit int, window time.Duration) *Seen {
	if window == 0 {
		window = DefaultWindow
	}
	return &Seen{seed: seed, sent: newRecent[struct{}](limit, SentKept), heard: newRecent[uint64](limit, window)}
}

// MarkSent asks to send an Interest on a face and records it; false: the same one left there within SentOnce. One
// without a timestamp (a device without a clock, or no payload) cannot be told from a retry, so it is never recorded and
// always allowed (P-2a).
func (s *Seen) MarkSent(now time.Duration, k SeenKey, face FaceID) (allowed bool) {
	if !k.timed() {
		return true
	}
	h := s.hash(k, uint64(face))
	if m := s.sent.get(now, h); m != nil && now-s.sent.at(m) < SentOnce {
		return false
	}
	s.sent.put(now, h, struct{}{})
	return true
}

// WasSent tells whether an Interest that comes in on a face was sent to it: a loop (P-2a).
func (s *Seen) WasSent(now time.Duration, k SeenKey, face FaceID) bool {
	return k.timed() && s.sent.get(now, s.hash(k, uint64(face))) != nil
}

// Ahead says that an Interest is about to be asked for: if heard is set where it was heard first, and if a face is given whether it left there.
func (s *Seen) Ahead(k SeenKey, heard bool, face FaceID) {
	if heard {
		s.heard.ahead(s.hash(k, 0))
	}
	if face != 0 {
		s.sent.ahead(s.hash(k, uint64(face)))
	}
}

// Heard records from where an Interest came, if it is the first time within the window, and tells whether it was first
// heard from another source (P-11). source is a keyed hash of the address of an on-demand peer. Interests without a
// timestamp are treated like others here: that is why devices without a clock need a configured face.
func (s *Seen) Heard(now time.Duration, k SeenKey, source uint64) (other bool) {
	h := s.hash(k, 0)
	if m := s.heard.get(now, h); m != nil {
		return m.value != source
	}
	s.heard.put(now, h, source)
	return false
}

// HeardElsewhere is the question of Heard alone: it records nothing.
func (s *Seen) HeardElsewhere(now time.Duration, k SeenKey, source uint64) bool {
	m := s.heard.get(now, s.hash(k, 0))
	return m != nil && m.value != source
}

// hash of all that makes an Interest the same. The FSEQ has 24 bits and a face 32, so they share a word.
func (s *Seen) hash(k SeenKey, face uint64) uint64 {
	return s.seed.Mix3(uint64(k.Name), k.Asked, uint64(k.Seq)<<32|face)
}
