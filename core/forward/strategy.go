package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// EventKind is what a strategy is told of.
type EventKind uint8

// The events.
const (
	InterestIn EventKind = iota // an Interest that nothing pending or stored answers
	RetryIn                     // the same asker again, or a new one that the faces asked so far cannot serve (P-2a)
	ReturnIn                    // a face that was asked has returned the Interest, or went down (P-6)
	Renew                       // our own subscription opens, is renewed, or has lost its face (P-16)
)

// HopState says how a next hop stands with the Interest at hand.
type HopState uint8

// Bits of HopState.
const (
	HopTried    HopState = 1 << iota // it was asked
	HopReturned                      // and has returned it
	HopInFace                        // the Interest came from there: it cannot be used
	HopProducer                      // the name's producer face (P-17)
)

// MaxHops is how many next hops a strategy is shown.
const MaxHops = 8

// NextHop is a face that may be used, with what is known of it. Only faces that are up are shown.
type NextHop struct {
	Face  FaceID
	Cost  uint16
	State HopState
}

// Event is what a strategy decides on. Hops are sorted by cost, the producer face first.
type Event struct {
	Kind   EventKind
	Now    time.Duration
	Name   name.Name
	Seq    uint32
	InFace FaceID
	TTL    uint8
	Reason wire.ReturnReason // of ReturnIn
	Hops   []NextHop
	More   int // next hops beyond MaxHops
}

// Op is what a strategy can ask for.
type Op uint8

// The commands.
const (
	SendTo      Op = iota // to the face
	SendAll               // to all usable next hops but the in-face
	SendFirst             // to the first N next hops that work
	SendReturn            // give up: Return with Reason to whoever asks
	DropRequest           // give up and say nothing
)

// Command is one decision of a strategy.
type Command struct {
	Op     Op
	Face   FaceID
	N      uint8
	Reason wire.ReturnReason
}

// MaxCommands is how many commands count for one event.
const MaxCommands = 4

// Strategy decides where an Interest goes. Each worker has its own instance and calls it under its mutex. Decide appends at
// most MaxCommands commands to out; what names a face that is not among the hops is ignored. No command means that nothing more is tried.
type Strategy interface {
	Decide(ev *Event, out []Command) []Command
}

// BestRoute is the built-in strategy: the cheapest next hop; after a Return, a loss of the face or a retry the next one
// that was not tried; when all were tried, a retry goes to the cheapest again.
type BestRoute struct{}

// Decide implements [Strategy].
func (BestRoute) Decide(ev *Event, out []Command) []Command {
	for _, h := range ev.Hops {
		if h.State&(HopTried|HopInFace) == 0 {
			return append(out, Command{Op: SendTo, Face: h.Face})
		}
	}
	if ev.Kind != RetryIn {
		return out
	}
	for _, h := range ev.Hops {
		if h.State&HopInFace == 0 {
			return append(out, Command{Op: SendTo, Face: h.Face})
		}
	}
	return out
}
