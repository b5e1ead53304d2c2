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
	out []byte // room for abi.MaxCommands
	n   int
}

// Len is how many commands there are.
func (c *Commands) Len() int { return c.n }

func (c *Commands) add(command uint64) {
	at := c.n * abi.CommandSize
	if c.n >= abi.MaxCommands || at+abi.CommandSize > len(c.out) {
		return
	}
	put64(c.out, at, command)
	put64(c.out, at+8, 0)
	c.n++
}

// SendTo sends the Interest to a face of the event's hops.
func (c *Commands) SendTo(face uint32) { c.add(abi.SendTo | uint64(face)<<32) }

// SendAll sends it to all usable next hops of the event but the in-face.
func (c *Commands) SendAll() { c.add(abi.SendAll) }

// SendFirst sends it to the first n next hops of the event that work.
func (c *Commands) SendFirst(n uint8) { c.add(abi.SendFirst | uint64(n)<<8) }

// Return gives up and tells whoever asks why.
func (c *Commands) Return(reason uint8) { c.add(abi.SendReturn | uint64(reason)<<16) }

// Drop gives up and says nothing.
func (c *Commands) Drop() { c.add(abi.DropRequest) }

// Strategy decides where an Interest goes. Each worker of a node has its own instance. Decide must not keep the event or the
// commands, and should not allocate: nothing collects garbage at a good moment.
type Strategy interface {
	Configure(Values) error
	Decide(*Event, *Commands)
}

// ServeStrategy registers the module's strategy. Call it from init.
func ServeStrategy(s Strategy) { served = newStrategyPlugin(s) }

// The regions of a strategy: far more than one batch needs.
const (
	strategyInput  = 2 * abi.StrategyInput
	strategyOutput = 2 * abi.StrategyOutput
)

// strategyPlugin keeps everything that a decision needs, so that none allocates. A call, a slice handed over and a bounds check cost
// several times in wasm what they cost natively, so its way is one function but for the author's.
type strategyPlugin struct {
	strategy Strategy
	event    Event
	commands Commands
	hops     [abi.MaxHops]Hop // where they cannot be used as they stand in the input
	in       [strategyInput / 8]uint64
	out      [strategyOutput / 8]uint64
}

func newStrategyPlugin(s Strategy) *strategyPlugin { return &strategyPlugin{strategy: s} }

func (p *strategyPlugin) regions() (input, output []byte) { return bytesOf(p.in[:]), bytesOf(p.out[:]) }

func (p *strategyPlugin) configure(v Values) error { return p.strategy.Configure(v) }

func (p *strategyPlugin) process(n uint32) uint32 {
	in, out := p.regions()
	for i := range n {
		progressWord[0] = uint64(i)
		item := itemAt(in)
		if item == nil || len(out) < abi.OutHead+abi.MaxCommands*abi.CommandSize {
			return i
		}
		size, status := abi.OutHead, abi.StatusFailed
		p.commands.n = 0
		if p.read(item) {
			p.commands.out = out[abi.OutHead : abi.OutHead+abi.MaxCommands*abi.CommandSize]
			p.strategy.Decide(&p.event, &p.commands)
			size, status = abi.OutHead+p.commands.n*abi.CommandSize, abi.StatusOK
		}
		head(out, size, status, p.commands.n)
		in, out = in[len(item):], out[size:]
	}
	return n
}

// read takes an event out of its item. The sizes in it say where the hops are and how large each is.
func (p *strategyPlugin) read(item []byte) bool {
	if len(item) < abi.EventFixed {
		return false
	}
	in, e := item[:abi.EventFixed], &p.event
	e.Kind = get16(in, abi.ItemKind)
	e.Now = int64(get64(in, abi.EventTime))
	e.Name = [6]byte(in[abi.EventName:abi.EventTTL])
	e.TTL, e.Reason = in[abi.EventTTL], in[abi.EventReason]
	e.Seq, e.InFace = get32(in, abi.EventSeq), get32(in, abi.EventInFace)
	e.More = get32(in, abi.EventMore)
	fixed, size, n := int(get16(in, abi.ItemFixed)), int(get16(in, abi.EventHopSize)), int(get16(in, abi.EventHopCount))
	if n > abi.MaxHops || size < abi.HopSize || fixed < abi.EventFixed || fixed+n*size > len(item) {
		return false
	}
	if e.Hops = hopsIn(item, fixed, size, n); e.Hops != nil || n == 0 {
		return true
	}
	for i := range n {
		h := get64(item, fixed+i*size)
		p.hops[i] = Hop{Face: uint32(h), Cost: uint16(h >> 32), State: uint16(h >> 48)}
	}
	e.Hops = p.hops[:n]
	return true
}
