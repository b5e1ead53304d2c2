package forward

import (
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// EventKind is what a strategy is told of.
type EventKind uint8

// The events. The first four are put to every strategy, since they need a decision; TimerDue to one that has set a timer; the others to one that
// asks for them ([Wants]).
const (
	InterestIn  EventKind = iota // an Interest that nothing pending or stored answers
	RetryIn                      // the same asker again, or a new one that the faces asked so far cannot serve (P-2a)
	ReturnIn                     // a face that was asked has returned the Interest, or went down (P-6)
	Renew                        // our own subscription opens, is renewed, or has lost its face (P-16)
	ContentIn                    // an Interest that it decided on is answered; or a Content came in on a broadcast face
	TimerDue                     // the timer that it set for a pending Interest
	RouteChange                  // a route has other next hops, or is new
	FaceChange                   // a next hop of a route came up or went down
)

// HopState says how a next hop stands with the Interest at hand.
type HopState uint8

// Bits of HopState.
const (
	HopTried     HopState = 1 << iota // it was asked
	HopReturned                       // and has returned it
	HopInFace                         // the Interest came from there: it cannot be used
	HopProducer                       // the name's producer face (P-17)
	HopMeasured                       // RTT and Loss are those of Interests under this route
	HopBroadcast                      // more than one node may hear what is sent there
)

// MaxHops is how many next hops a strategy is shown.
const MaxHops = 8

// NextHop is a face that may be used, with what is known of it. Only faces that are up are shown.
type NextHop struct {
	Face  FaceID
	Cost  uint16
	State HopState
	Measure
}

// Measure is what was measured of a next hop; zero, with QueueUnknown, for a strategy that does not ask for it ([WantMeasures]).
type Measure struct {
	RTT, Var uint32 // µs, smoothed as in RFC 6298, 2; before the first answer under this route those of the hellos (P-18), or 0
	Silent   uint32 // ms since the first Interest there that nothing has come back for since; 0: nothing is missing
	Loss     uint16 // of 65,535
	Queue    uint16 // frames that the link has not sent yet, or QueueUnknown
}

// QueueUnknown is the queue of a link that does not tell ([Queuer]).
const QueueUnknown = 0xFFFF

// FaceKind is what is at the other end of a face.
type FaceKind uint8

// The kinds.
const (
	KindSelf         FaceKind = iota // the node itself
	KindPointToPoint                 // a configured peer
	KindOnDemand                     // a peer that came by itself (P-11)
	KindBroadcast                    // more than one node may hear what is sent
)

// SignalUnknown is the signal strength of a frame whose link does not measure any.
const SignalUnknown int16 = -32768

// Event is what a strategy decides on. Hops are sorted by cost, the producer face first. It is valid while Decide runs.
type Event struct {
	Kind   EventKind
	InKind FaceKind
	TTL    uint8
	Reason wire.ReturnReason // of ReturnIn
	Name   name.Name         // of a route or face change: the route's prefix, or that of a strategy below it
	Prefix uint8             // of a route or face change: the length of the route's prefix
	Up     bool              // of a face change
	Seq    uint32
	InFace FaceID
	Face   FaceID // that answered, returned, or changed; of InterestIn and RetryIn the in-face
	Now    time.Duration
	Expiry time.Duration // how long the asker still waits

	Type   wire.Type // of the frame at hand
	FHDR   byte      // as it came
	KeyID  uint8     // of the network
	Length uint16    // bytes of the frame at hand, without a Net ID
	Signal int16     // dBm, or SignalUnknown
	Random uint32    // 32 bits that another node, and the next event, has different

	Hops []NextHop
	More int // next hops beyond MaxHops

	// What the host keeps for the strategy: by route, and by pending Interest. What is written there stands at the next
	// event. nil where there is none, and for a strategy that does not ask for it.
	Route   *RouteScratch
	Pending *PendingScratch

	// Reuse is set by a strategy whose answer to this InterestIn is good for the next ones under the route. It counts at no other event.
	Reuse Reuse
}

// Reuse says how many further Interests under the route of one an answer to it is good for, at most [MaxReuse], and how long, at most
// [MaxReuseTime]: they are decided so without asking. The zero value is none. Whatever else they differ in, they have the same next hops with the same costs and states; and the answer
// ends when the strategy is told of anything else under the route, when an Interest is lost there ([WantMeasures]), and when the
// strategy is another one or another Version.
type Reuse struct {
	Interests uint16
	For       time.Duration
}

// Bounds of a [Reuse].
const (
	MaxReuse     = 255
	MaxReuseTime = time.Second
)

// RouteScratch and PendingScratch are what the host keeps for a strategy.
type (
	RouteScratch   = table.RouteScratch
	PendingScratch = table.PendingScratch
)

// Op is what a strategy can ask for.
type Op uint8

// The commands.
const (
	SendTo      Op = iota // to the face
	SendAll               // to all usable next hops but the in-face
	SendFirst             // to the first N next hops that work
	SendReturn            // give up: Return with Reason to whoever asks
	DropRequest           // give up and say nothing
	Repeat                // the frame at hand on its in-face, a broadcast face, when Delay has passed, unless it is heard there again
	SetTimer              // TimerDue when Delay has passed, at least 1 ms; it takes the place of one that is set, and keeps the Interest pending
)

// Command is one decision of a strategy.
type Command struct {
	Op     Op
	N      uint8
	Reason wire.ReturnReason
	Face   FaceID
	Delay  time.Duration // of Repeat and SetTimer
}

// MaxCommands is how many commands count for one event.
const MaxCommands = 4

// Wants is what a strategy asks for beyond the events that need a decision. It pays for nothing else.
type Wants uint16

// Bits of Wants.
const (
	WantContent  Wants = 1 << iota // ContentIn
	WantRoutes                     // RouteChange
	WantFaces                      // FaceChange
	WantMeasures                   // next hops carry what was measured of them
	WantScratch                    // blocks by route and by pending Interest
	_
	WantTogether // Interests of a burst are put to it together, if it is a Gatherer
)

// Needs is what a strategy asks for, and who it is: its blocks are kept for the owner, over all versions of it.
type Needs struct {
	Owner   uint32
	Wants   Wants
	Version uint32         // another one does not stand by what this one has said
	Reused  *atomic.Uint64 // counts the Interests that were decided by [Event.Reuse]; nil: nobody does
}

// Strategy decides where an Interest goes. Each worker has its own instance and calls it under its mutex. Decide appends at
// most MaxCommands commands to out; what names a face that is not among the hops, or cannot be done at this event, is ignored and
// counted. No command means that nothing more is tried. A route or face change takes none, and a ContentIn only Repeat.
type Strategy interface {
	// Needs is what the strategy of a name asks for.
	Needs(name.Name) Needs
	Decide(ev *Event, out []Command) []Command
}

// MaxTogether is how many events a [Gatherer] is asked about at once: a full burst of a link.
const MaxTogether = 64

// Gatherer is a Strategy that can decide on several events in one call, for which [WantTogether] asks. They are InterestIn of different pending
// Interests that came in one burst.
type Gatherer interface {
	Strategy
	// DecideAll does for each of at most MaxTogether events, one after the other, what Decide does. The commands of events[i] are appended
	// to out[i], which is as long and has room for MaxCommands in each. Events may share what Route points to.
	DecideAll(events []Event, out [][]Command)
}

// Spread is a Strategy that is made of several, by prefix. Within calls fn with a name for each of them that decides on names under p.
type Spread interface {
	Strategy
	Within(p name.Prefix, fn func(name.Name))
}

// BestRoute is the built-in strategy: the cheapest next hop; after a Return, a loss of the face or a retry the next one
// that was not tried; when all were tried, a retry goes to the cheapest again.
type BestRoute struct{}

// Needs implements [Strategy]: nothing.
func (BestRoute) Needs(name.Name) Needs { return Needs{} }

// Decide implements [Strategy].
func (BestRoute) Decide(ev *Event, out []Command) []Command {
	if ev.Kind > Renew && ev.Kind != TimerDue { // it stands in for a strategy that has failed
		return out
	}
	for i := range ev.Hops {
		if h := &ev.Hops[i]; h.State&(HopTried|HopInFace) == 0 {
			return append(out, Command{Op: SendTo, Face: h.Face})
		}
	}
	if ev.Kind != RetryIn {
		return out
	}
	for i := range ev.Hops {
		if h := &ev.Hops[i]; h.State&HopInFace == 0 {
			return append(out, Command{Op: SendTo, Face: h.Face})
		}
	}
	return out
}
