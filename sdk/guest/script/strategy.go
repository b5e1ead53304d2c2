package script

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// strategy is the form of a strategy's events.
//
//	interest|retry|return|renew|content|timer   name=HEX seq=N in=FACE face=FACE ttl=N reason=WORD expiry=TIME length=N fhdr=N key=N
//	                                            kind=self|peer|ondemand|broadcast signal=DBM random=N more=N
//	route                                       name=HEX more=N
//	face                                        name=HEX face=FACE state=up|down more=N
//	hop                                         face=FACE cost=N state=WORD,… rtt=TIME var=TIME silent=TIME loss=0…1 queue=N
//	migrate                                     from=SCHEMA route=HEX, or pending=HEX
//
// All but hop take at=TIME, and the events route=NAME and show=route,pending,reuse. The states of a hop are tried, returned, in, producer, measured
// and broadcast. The name of route and face is the prefix, and may be shorter.
//
// What is absent is 0, but for seq (1), in (1), ttl (7), expiry (10s), length (64), kind (peer), random (another one for each event), face (the
// in-face), signal and queue (not known). A hop whose face is the in-face is marked as such.
//
// The host's blocks: route= names the route that an event belongs to, so that the block of another one is at hand; "-" is none. The block
// of a pending Interest goes by name and seq, and ends with content. show= adds them to the answer, as hex without the zeros at the
// end. timer moves the time to when the timer of its Interest is due; without one the answer is "no timer". An event that the plugin
// has not asked for by its feature bits is answered "not asked", and without FeatureMeasures a hop has no measurements, as in a node.
//
// The commands: send FACE, send all, send first N, return WORD, drop, repeat TIME, timer TIME. migrate is answered with the block. With show=reuse
// there is reuse N TIME after them, if the answer is good for so many further Interests; each that the script has is put to the plugin all the same.
type strategy struct {
	now    time.Duration
	events uint32
	blocks blocks
}

var strategyEvents = []Word{
	{"interest", abi.InterestIn},
	{"retry", abi.RetryIn},
	{"return", abi.ReturnIn},
	{"renew", abi.Renew},
	{"content", abi.ContentIn},
	{"timer", abi.TimerDue},
	{"route", abi.RouteChange},
	{"face", abi.FaceChange},
	{"migrate", abi.MigrateState},
}

// asked are the feature bits without which there is no such event.
var asked = map[uint64]uint64{
	abi.ContentIn:    abi.FeatureContent,
	abi.RouteChange:  abi.FeatureRoutes,
	abi.FaceChange:   abi.FeatureFaces,
	abi.MigrateState: abi.FeatureMigrate,
}

var hopStates = []Word{
	{"tried", abi.HopTried},
	{"returned", abi.HopReturned},
	{"in", abi.HopInFace},
	{"producer", abi.HopProducer},
	{"measured", abi.HopMeasured},
	{"broadcast", abi.HopBroadcast},
}

var faceKinds = []Word{
	{"self", abi.FaceSelf},
	{"peer", abi.FacePointToPoint},
	{"ondemand", abi.FaceOnDemand},
	{"broadcast", abi.FaceBroadcast},
}

// reasons are those of a Return (P-6).
var reasons = []Word{
	{"no-route", 1},
	{"not-here", 2},
	{"congestion", 3},
	{"refused", 4},
	{"expired", 5},
	{"ttl", 6},
}

var upDown = []Word{{"up", abi.FactUp}, {"down", 0}}

const (
	defaultSeq    = 1
	defaultIn     = 1
	defaultTTL    = 7
	defaultExpiry = 10 * time.Second
	defaultLength = 64
	nameSize      = abi.EventTTL - abi.EventName
)

// showReuse is the bit of show=reuse, beside those of the blocks.
const showReuse = 1 << 8

// What stands for an event that the plugin is not shown.
const (
	noTimer  = "no timer"
	notAsked = "not asked"
)

func (s *strategy) setup(*Line) error {
	return errors.New("a strategy has no links: link is for drivers")
}

func (s *strategy) event(e *Event) (ask, error) {
	kind, ok := code(strategyEvents, e.Verb)
	if !ok {
		return nil, fmt.Errorf("%s is no event of a strategy: want one of %s", e.Verb, join(strategyEvents))
	}
	if kind == abi.MigrateState {
		return s.migrate(e)
	}
	if len(e.Details) > abi.MaxHops {
		return nil, fmt.Errorf("a strategy is shown at most %d next hops; more=N says how many there are besides", abi.MaxHops)
	}
	item := make([]byte, abi.EventFixed+abi.HopSize*len(e.Details))
	at, show := s.fixed(e, kind, item), e.Bits("show", []Word{{"route", abi.FactRoute}, {"pending", abi.FactPending}, {"reuse", showReuse}})
	if err := e.done(); err != nil {
		return nil, err
	}
	in := binary.LittleEndian.Uint32(item[abi.EventInFace:])
	for i, l := range e.Details {
		if err := hop(l, in, item[abi.EventFixed+i*abi.HopSize:]); err != nil {
			return nil, err
		}
	}
	return func(m Machine) ([]string, error) {
		if m.Features()&asked[kind] != asked[kind] {
			return []string{notAsked}, nil
		}
		if kind == abi.TimerDue && !s.blocks.due(at, &s.now, e.Has("at")) {
			return []string{noTimer}, nil
		}
		binary.LittleEndian.PutUint64(item[abi.EventTime:], uint64(s.now))
		return s.decide(m, item, at, show)
	}, nil
}

// fixed writes the fixed part of an event, and gives where its blocks are.
func (s *strategy) fixed(e *Event, kind uint64, b []byte) where {
	le := binary.LittleEndian
	s.events++
	s.now = e.Time(s.now)
	le.PutUint32(b[abi.ItemSize:], uint32(len(b)))
	le.PutUint16(b[abi.ItemKind:], uint16(kind))
	le.PutUint16(b[abi.ItemFixed:], abi.EventFixed)
	le.PutUint64(b[abi.EventTime:], uint64(s.now))
	le.PutUint16(b[abi.EventHopSize:], abi.HopSize)
	le.PutUint16(b[abi.EventHopCount:], uint16(len(e.Details)))
	le.PutUint32(b[abi.EventMore:], uint32(e.Uint("more", 0, math.MaxUint32)))
	le.PutUint32(b[abi.EventRandom:], uint32(e.Uint("random", uint64(s.events*0x9E3779B9), math.MaxUint32)))
	at := where{route: e.Text("route", "")}
	le.PutUint16(b[abi.EventSignal:], signal(e.Line))
	if kind == abi.RouteChange || kind == abi.FaceChange {
		prefix := e.Hex("name", -1)
		if len(prefix) > nameSize {
			e.fail("name=%x: a prefix has at most %d bytes", prefix, nameSize)
		}
		b[abi.EventPrefix] = byte(copy(b[abi.EventName:abi.EventTTL], prefix))
		if kind == abi.FaceChange {
			le.PutUint32(b[abi.EventFace:], uint32(e.Uint("face", 0, math.MaxUint32)))
			b[abi.EventFacts] = byte(e.Code("state", abi.FactUp, upDown))
		}
		return at
	}
	copy(b[abi.EventName:abi.EventTTL], e.Hex("name", nameSize))
	b[abi.EventTTL] = byte(e.Uint("ttl", defaultTTL, math.MaxUint8))
	b[abi.EventReason] = byte(e.Code("reason", 0, reasons))
	seq := uint32(e.Uint("seq", defaultSeq, math.MaxUint32))
	le.PutUint32(b[abi.EventSeq:], seq)
	in := e.Uint("in", defaultIn, math.MaxUint32)
	le.PutUint32(b[abi.EventInFace:], uint32(in))
	le.PutUint32(b[abi.EventFace:], uint32(e.Uint("face", in, math.MaxUint32)))
	le.PutUint64(b[abi.EventExpiry:], uint64(e.Duration("expiry", defaultExpiry)))
	le.PutUint16(b[abi.EventLength:], uint16(e.Uint("length", defaultLength, math.MaxUint16)))
	b[abi.EventFHDR] = byte(e.Uint("fhdr", 0, math.MaxUint8))
	b[abi.EventKeyID] = byte(e.Uint("key", 0, math.MaxUint8))
	b[abi.EventInKind] = byte(e.Code("kind", abi.FacePointToPoint, faceKinds))
	at.pending, at.last = pendingKey{[nameSize]byte(b[abi.EventName:]), seq}, kind == abi.ContentIn
	if at.last {
		b[abi.EventType] = 1
	}
	return at
}

func signal(l *Line) uint16 {
	unknown := int64(abi.SignalUnknown)
	if !l.Has("signal") {
		return uint16(unknown)
	}
	return uint16(int64(l.Float("signal", 0, math.MinInt16, 0)))
}

// hop writes a next hop.
func hop(l *Line, in uint32, b []byte) error {
	if l.Verb != "hop" {
		return &lineError{l.At, l.Verb + ": want a hop under an event, and a blank line before the next event"}
	}
	if !l.Has("face") {
		l.fail("a hop wants its face: hop face=4 cost=10")
	}
	face, state := uint32(l.Uint("face", 0, math.MaxUint32)), l.Bits("state", hopStates)
	if face == in {
		state |= abi.HopInFace
	}
	le := binary.LittleEndian
	le.PutUint32(b[abi.HopFace:], face)
	le.PutUint16(b[abi.HopCost:], uint16(l.Uint("cost", 0, math.MaxUint16)))
	le.PutUint16(b[abi.HopState:], uint16(state))
	le.PutUint32(b[abi.HopRTT:], units(l, "rtt", time.Microsecond))
	le.PutUint32(b[abi.HopVar:], units(l, "var", time.Microsecond))
	le.PutUint32(b[abi.HopSilent:], units(l, "silent", time.Millisecond))
	le.PutUint16(b[abi.HopLoss:], uint16(math.Round(l.Float("loss", 0, 0, 1)*math.MaxUint16)))
	le.PutUint16(b[abi.HopQueue:], uint16(l.Uint("queue", abi.QueueUnknown, math.MaxUint16)))
	return l.done()
}

// units gives a time in a unit, in 32 bits.
func units(l *Line, key string, unit time.Duration) uint32 {
	n := l.Duration(key, 0) / unit
	if n > math.MaxUint32 {
		l.fail("%s=%s: want at most %s", key, l.Text(key, ""), math.MaxUint32*unit)
	}
	return uint32(n)
}

// decide hands an event over with its blocks, and keeps what the plugin has made of them.
func (s *strategy) decide(m Machine, item []byte, at where, show uint64) ([]string, error) {
	if m.Features()&abi.FeatureMeasures == 0 {
		forget(item)
	}
	state := m.State()
	if m.Features()&abi.FeatureScratch == 0 || len(state) < abi.ScratchSize {
		state = nil
	}
	item[abi.EventFacts] |= s.blocks.write(state, at)
	a, err := call(m, item)
	if err != nil {
		return nil, err
	}
	lines, err := s.commands(&a, at)
	if err != nil {
		return nil, err
	}
	if show&showReuse != 0 {
		lines = append(lines, reuse(a.head)...)
	}
	return append(lines, s.blocks.keep(m.State(), item[abi.EventFacts], at, show)...), nil
}

// forget takes what was measured out of an event.
func forget(item []byte) {
	for b := item[abi.EventFixed:]; len(b) > 0; b = b[abi.HopSize:] {
		clear(b[abi.HopRTT:abi.HopSize])
		binary.LittleEndian.PutUint16(b[abi.HopQueue:], abi.QueueUnknown)
	}
}

// errCommand says that a command cannot be, which a node takes for a trap.
var errCommand = errors.New("its output has a command that cannot be")

// commands writes an answer.
func (s *strategy) commands(a *answer, at where) (lines []string, err error) {
	switch {
	case a.status != abi.StatusOK || a.n*abi.CommandSize > len(a.list):
		return nil, errOutput
	case a.n > abi.MaxCommands:
		return nil, fmt.Errorf("its output has %d commands, at most %d are allowed", a.n, abi.MaxCommands)
	}
	for b := a.list; len(lines) < a.n; b = b[abi.CommandSize:] {
		line := command(b)
		if line == "" {
			return nil, errCommand
		}
		if b[abi.CommandOp] == abi.SetTimer {
			s.blocks.set(at, s.now+delay(b))
		}
		lines = append(lines, line)
	}
	if at.last {
		s.blocks.end(at)
	}
	return lines, nil
}

// reuse writes for how many further Interests an answer is good, and how long; nothing if for none.
func reuse(head []byte) []string {
	interests, ms := binary.LittleEndian.Uint16(head[abi.OutReuse:]), binary.LittleEndian.Uint16(head[abi.OutReuseTime:])
	if interests == 0 || ms == 0 {
		return nil
	}
	return []string{fmt.Sprintf("reuse %d %v", interests, time.Duration(ms)*time.Millisecond)}
}

func delay(b []byte) time.Duration {
	return time.Duration(binary.LittleEndian.Uint64(b[abi.CommandDelay:]))
}

// command writes a command; empty if it cannot be.
func command(b []byte) string {
	op, count, reason, wait := b[abi.CommandOp], b[abi.CommandN], uint64(b[abi.CommandReason]), delay(b)
	if wait < 0 || wait != 0 && op < abi.Repeat {
		return ""
	}
	switch op {
	case abi.SendTo:
		return fmt.Sprintf("send %d", binary.LittleEndian.Uint32(b[abi.CommandFace:]))
	case abi.SendAll:
		return "send all"
	case abi.SendFirst:
		if count > 0 {
			return fmt.Sprintf("send first %d", count)
		}
	case abi.SendReturn:
		if reason >= reasons[0].Code && reason <= reasons[len(reasons)-1].Code {
			return "return " + nameOf(reasons, reason)
		}
	case abi.DropRequest:
		return "drop"
	case abi.Repeat:
		return "repeat " + wait.String()
	case abi.SetTimer:
		return "timer " + wait.String()
	}
	return ""
}
