package guest

import (
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Event is what a strategy decides on. It is valid while Decide runs.
type Event struct {
	Kind   uint16 // abi.InterestIn, abi.RetryIn, abi.ReturnIn, abi.Renew
	Now    int64  // ns since the node started; time.Duration(ev.Now) where package time is wanted
	Name   [6]byte
	Seq    uint32
	InFace uint32
	TTL    uint8
	Reason uint8 // of a Return
	Hops   []Hop // at most abi.MaxHops, sorted by cost, the producer's face first
	More   uint32
}

// Hop is a face that may be used. Only faces that are up are shown.
type Hop struct {
	Face  uint32
	Cost  uint16
	State uint16 // abi.HopTried, abi.HopReturned, abi.HopInFace, abi.HopProducer
}

// Commands take what a strategy wants: at most abi.MaxCommands, further ones are dropped. None means that nothing more is tried.
type Commands struct {
	out []byte // where the next command goes
	n   int
}

// Len is how many commands there are.
func (c *Commands) Len() int { return c.n }

func (c *Commands) add(op, n, reason uint8, face uint32) {
	if c.n == abi.MaxCommands || len(c.out) < abi.CommandSize {
		return
	}
	put64(c.out, 0, uint64(op)|uint64(n)<<8|uint64(reason)<<16|uint64(face)<<32)
	put64(c.out, 8, 0)
	c.out, c.n = c.out[abi.CommandSize:], c.n+1
}

// SendTo sends the Interest to a face of the event's hops.
func (c *Commands) SendTo(face uint32) { c.add(abi.SendTo, 0, 0, face) }

// SendAll sends it to all usable next hops of the event but the in-face.
func (c *Commands) SendAll() { c.add(abi.SendAll, 0, 0, 0) }

// SendFirst sends it to the first n next hops of the event that work.
func (c *Commands) SendFirst(n uint8) { c.add(abi.SendFirst, n, 0, 0) }

// Return gives up and tells whoever asks why.
func (c *Commands) Return(reason uint8) { c.add(abi.SendReturn, 0, reason, 0) }

// Drop gives up and says nothing.
func (c *Commands) Drop() { c.add(abi.DropRequest, 0, 0, 0) }

// Strategy decides where an Interest goes. Each worker of a node has its own instance. Decide must not keep the event or the
// commands, and should not allocate: nothing collects garbage at a good moment.
type Strategy interface {
	Configure(Values) error
	Decide(*Event, *Commands)
}

// ServeStrategy registers the module's strategy. Call it from init.
func ServeStrategy(s Strategy) { served = &strategyPlugin{strategy: s} }

// The regions of a strategy: far more than one batch needs.
const (
	strategyInput  = 2 * abi.StrategyInput
	strategyOutput = 2 * abi.StrategyOutput
)

// strategyPlugin keeps everything that a decision needs, so that none allocates.
type strategyPlugin struct {
	strategy Strategy
	event    Event
	commands Commands
	hops     [abi.MaxHops]Hop
	in       [strategyInput / 8]uint64
	out      [strategyOutput / 8]uint64
}

func (p *strategyPlugin) regions() (input, output []byte) { return bytesOf(p.in[:]), bytesOf(p.out[:]) }

func (p *strategyPlugin) configure(v Values) error { return p.strategy.Configure(v) }

func (p *strategyPlugin) item(in, out []byte) int {
	if len(in) < abi.EventFixed || !p.read(in) {
		head(out, abi.OutHead, abi.StatusFailed, 0)
		return abi.OutHead
	}
	p.commands = Commands{out: out[abi.OutHead:]}
	p.strategy.Decide(&p.event, &p.commands)
	size := abi.OutHead + p.commands.n*abi.CommandSize
	head(out, size, abi.StatusOK, p.commands.n)
	return size
}

// read takes an event out of its item. The sizes in it say where the hops are and how large each is.
func (p *strategyPlugin) read(in []byte) bool {
	e := &p.event
	e.Kind = get16(in, abi.ItemKind)
	e.Now = int64(get64(in, abi.EventTime))
	copy(e.Name[:], in[abi.EventName:])
	e.TTL, e.Reason = in[abi.EventTTL], in[abi.EventReason]
	e.Seq, e.InFace = get32(in, abi.EventSeq), get32(in, abi.EventInFace)
	e.More = get32(in, abi.EventMore)
	fixed, size := int(get16(in, abi.ItemFixed)), int(get16(in, abi.EventHopSize))
	n := int(get16(in, abi.EventHopCount))
	if n > abi.MaxHops || size < abi.HopSize || fixed < abi.EventFixed || fixed+n*size > len(in) {
		return false
	}
	for i := range n {
		h := get64(in, fixed+i*size)
		p.hops[i] = Hop{Face: uint32(h), Cost: uint16(h >> 32), State: uint16(h >> 48)}
	}
	e.Hops = p.hops[:n]
	return true
}
