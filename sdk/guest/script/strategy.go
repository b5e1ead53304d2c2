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
//	interest|retry|return|renew  at=TIME name=HEX seq=N in=FACE ttl=N reason=WORD more=N
//	hop                          face=FACE cost=N state=tried,returned,producer
//
// A field that is absent is 0, but for seq (1), in (1), ttl (7) and at (the time of the event before). A hop whose face is the in-face
// is marked as such.
//
// The commands: send FACE, send all, send first N, return WORD, drop.
type strategy struct {
	now time.Duration
}

var strategyEvents = []Word{
	{"interest", abi.InterestIn},
	{"retry", abi.RetryIn},
	{"return", abi.ReturnIn},
	{"renew", abi.Renew},
}

var hopStates = []Word{
	{"tried", abi.HopTried},
	{"returned", abi.HopReturned},
	{"in", abi.HopInFace},
	{"producer", abi.HopProducer},
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

const (
	defaultSeq = 1
	defaultIn  = 1
	defaultTTL = 7
)

func (s *strategy) event(e *Event) (ask, error) {
	item, err := s.item(e)
	return func(m Machine) ([]string, error) {
		a, err := call(m, item)
		if err != nil {
			return nil, err
		}
		return commands(&a)
	}, err
}

func (s *strategy) item(e *Event) ([]byte, error) {
	kind, ok := code(strategyEvents, e.Verb)
	if !ok {
		return nil, fmt.Errorf("%s is no event of a strategy: want one of %s", e.Verb, join(strategyEvents))
	}
	if len(e.Details) > abi.MaxHops {
		return nil, fmt.Errorf("a strategy is shown at most %d next hops; more=N says how many there are besides", abi.MaxHops)
	}
	le, b := binary.LittleEndian, make([]byte, abi.EventFixed+abi.HopSize*len(e.Details))
	le.PutUint32(b[abi.ItemSize:], uint32(len(b)))
	le.PutUint16(b[abi.ItemKind:], uint16(kind))
	le.PutUint16(b[abi.ItemFixed:], abi.EventFixed)
	s.now = e.Time(s.now)
	le.PutUint64(b[abi.EventTime:], uint64(s.now))
	copy(b[abi.EventName:abi.EventTTL], e.Hex("name", abi.EventTTL-abi.EventName))
	b[abi.EventTTL] = byte(e.Uint("ttl", defaultTTL, math.MaxUint8))
	b[abi.EventReason] = byte(e.Code("reason", 0, reasons))
	le.PutUint32(b[abi.EventSeq:], uint32(e.Uint("seq", defaultSeq, math.MaxUint32)))
	in := uint32(e.Uint("in", defaultIn, math.MaxUint32))
	le.PutUint32(b[abi.EventInFace:], in)
	le.PutUint16(b[abi.EventHopSize:], abi.HopSize)
	le.PutUint16(b[abi.EventHopCount:], uint16(len(e.Details)))
	le.PutUint32(b[abi.EventMore:], uint32(e.Uint("more", 0, math.MaxUint32)))
	if err := e.done(); err != nil {
		return nil, err
	}
	for i, l := range e.Details {
		if err := hop(l, in, b[abi.EventFixed+i*abi.HopSize:]); err != nil {
			return nil, err
		}
	}
	return b, nil
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
	return l.done()
}

// errCommand says that a command cannot be, which a node takes for a trap.
var errCommand = errors.New("its output has a command that cannot be")

// commands writes an answer.
func commands(a *answer) (lines []string, err error) {
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
		lines = append(lines, line)
	}
	return lines, nil
}

// command writes a command; empty if it cannot be.
func command(b []byte) string {
	count, reason := b[abi.CommandN], uint64(b[abi.CommandReason])
	switch b[abi.CommandOp] {
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
	}
	return ""
}
