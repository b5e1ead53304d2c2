package guest

import (
	"unsafe"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Event is what a strategy decides on. It is valid while Decide runs. Times are in ns; time.Duration(ev.Now) where package time is wanted.
//
// From size on it is laid out like the fixed part of an item, so that in wasm the host writes it: see abi.EventFixed.
type Event struct {
	Hops    []Hop   // at most abi.MaxHops, sorted by cost, the producer's face first
	Route   Scratch // by route; nil: there is none, or the strategy does not ask for it
	Pending Scratch // by pending Interest
	Up      bool    // of a face change
	_       [7]byte // size is at a multiple of 8

	size     uint32
	Kind     uint16 // abi.InterestIn, abi.RetryIn, abi.ReturnIn, abi.Renew, and what it asks for: see Needs
	fixed    uint16
	Now      int64 // since the node started
	Name     [6]byte
	TTL      uint8
	Reason   uint8 // of a Return
	Seq      uint32
	InFace   uint32
	hopSize  uint16
	hopCount uint16
	More     uint32
	Expiry   int64  // how long the asker still waits
	Length   uint16 // bytes of the frame at hand, without a Net ID
	Type     uint8  // packet type: 0 Interest, 1 Content
	FHDR     uint8  // as it came
	KeyID    uint8
	InKind   uint8  // abi.FacePointToPoint …
	Signal   int16  // dBm, or abi.SignalUnknown
	Face     uint32 // that answered, returned or changed
	Random   uint32 // 32 bits, others at each event and in each node
	Prefix   uint8  // of a route or face change: the length of the prefix
	facts    uint8
	shares   uint16 // item of the batch that has the route's block
	_        [4]byte
}

// Hop is a face that may be used. Only faces that are up are shown. What was measured is 0 for a strategy that does not ask for it.
type Hop struct {
	Face   uint32
	Cost   uint16
	State  uint16 // abi.HopTried, abi.HopReturned, abi.HopInFace, abi.HopProducer, abi.HopMeasured, abi.HopBroadcast
	RTT    uint32 // µs, smoothed; 0: unknown
	Var    uint32 // µs, of RTT
	Silent uint32 // ms since the first Interest there that nothing has come back for since; 0: nothing is missing
	Loss   uint16 // 65,535: all
	Queue  uint16 // frames, or abi.QueueUnknown
}

// Scratch is a block that the host keeps: what is written there stands at the next event of the same route or pending Interest, in
// the next instance and in the next version too, if its manifest has the same state. It begins as zeros. Numbers are little-endian.
type Scratch []byte

// Uint32 reads 4 bytes.
func (s Scratch) Uint32(at int) uint32 { return get32(s, at) }

// PutUint32 writes 4 bytes.
func (s Scratch) PutUint32(at int, v uint32) { put32(s, at, v) }

// Int64 reads 8 bytes.
func (s Scratch) Int64(at int) int64 { return int64(get64(s, at)) }

// PutInt64 writes 8 bytes.
func (s Scratch) PutInt64(at int, v int64) { put64(s, at, uint64(v)) }

// Needs is what a strategy asks for beyond the events that need a decision: abi.FeatureContent, abi.FeatureRoutes, abi.FeatureFaces,
// abi.FeatureMeasures, abi.FeatureScratch. It pays for nothing else.
type Needs uint64

// Commands take what a strategy wants: at most abi.MaxCommands, further ones are dropped. None means that nothing more is tried.
type Commands struct {
	out   *commandRoom
	n     int
	reuse uint64 // the word of the output's head from abi.OutReuse on
}

// commandRoom has the words of abi.MaxCommands commands, little-endian. It is no slice, which would be checked at each word.
type commandRoom [abi.MaxCommands][abi.CommandSize / 8]uint64

// Len is how many commands there are.
func (c *Commands) Len() int { return c.n }

func (c *Commands) add(command uint64, delay int64) {
	if n := uint(c.n); n < abi.MaxCommands {
		c.out[n] = [...]uint64{word(command), word(uint64(delay))}
		c.n++
	}
}

// SendTo sends the Interest to a face of the event's hops.
func (c *Commands) SendTo(face uint32) { c.add(abi.SendTo|uint64(face)<<32, 0) }

// SendAll sends it to all usable next hops of the event but the in-face.
func (c *Commands) SendAll() { c.add(abi.SendAll, 0) }

// SendFirst sends it to the first n next hops of the event that work.
func (c *Commands) SendFirst(n uint8) { c.add(abi.SendFirst|uint64(n)<<8, 0) }

// Return gives up and tells whoever asks why.
func (c *Commands) Return(reason uint8) { c.add(abi.SendReturn|uint64(reason)<<16, 0) }

// Drop gives up and says nothing.
func (c *Commands) Drop() { c.add(abi.DropRequest, 0) }

// Repeat sends the frame at hand again on its in-face, which is a broadcast face, when delay ns have passed, unless it is heard there
// again before. The host holds the frame.
func (c *Commands) Repeat(delay int64) { c.add(abi.Repeat, delay) }

// Timer asks for abi.TimerDue when delay ns have passed, at least 1 ms. It takes the place of one that is set for the Interest, which stays
// pending for it.
func (c *Commands) Timer(delay int64) { c.add(abi.SetTimer, delay) }

// Reuse says that this answer to an abi.InterestIn is good for the next Interests of the route too, at most so many (the host takes up to
// abi.MaxReuse) and so many ms long (abi.MaxReuseTime), as long as they have the same next hops with the same costs and states. The host decides
// them so without a call, and asks again at once when anything else happens that it tells this strategy of under the route, or an Interest is lost
// there. A strategy that looks at anything else of an Interest than the next hops does not say so. An older host ignores it.
func (c *Commands) Reuse(interests, ms uint16) {
	c.reuse = uint64(interests) | uint64(ms)<<16
}

// Strategy decides where an Interest goes. Each worker of a node has its own instance. Decide must not keep the event or the
// commands, and should not allocate: nothing collects garbage at a good moment.
type Strategy interface {
	Configure(Values) error
	Decide(*Event, *Commands)
}

// Needy is a Strategy that asks for more than the events that need a decision. Needs is called once, before Configure.
type Needy interface{ Needs() Needs }

// Migrator is a Strategy that can read what a version with another schema has kept. from is abi.SchemaID of its state. One of the two
// blocks is given, the other is nil; false: it cannot, and the block is zeroed.
type Migrator interface {
	Migrate(from uint64, route, pending Scratch) bool
}

// ServeStrategy registers the module's strategy. Call it from init.
func ServeStrategy(s Strategy) { served = newStrategyPlugin(s) }

// The regions of a strategy: more than a full batch needs, so that later fields have room.
const (
	strategyInput  = abi.StrategyBatchInput + 2048
	strategyOutput = abi.StrategyBatchOutput + 2048
)

// strategyPlugin keeps everything that a decision needs, so that none allocates.
type strategyPlugin struct {
	strategy Strategy
	migrator Migrator // nil: it cannot
	needs    Needs
	commands Commands
	blocks   [4]struct{ route, pending Scratch } // of an event that is alone, by its facts
	event    Event                               // which in wasm the input begins in: see input
	in       [strategyInput / 8]uint64
	out      [strategyOutput / 8]uint64
	kept     [abi.StrategyBatchState / 8]uint64
	read     Event            // of a batch, and where the input is of another layout
	hops     [abi.MaxHops]Hop // of read, likewise
}

func newStrategyPlugin(s Strategy) *strategyPlugin {
	p := &strategyPlugin{strategy: s, needs: abi.FeatureBatch}
	if n, ok := s.(Needy); ok {
		p.needs |= n.Needs() &^ abi.FeatureMigrate
	}
	if m, ok := s.(Migrator); ok {
		p.migrator = m
		p.needs |= abi.FeatureMigrate
	}
	if state := p.state(); state != nil {
		for facts := range p.blocks {
			p.blocks[facts].route, p.blocks[facts].pending = blocksIn(state, 0, uint8(facts), 0)
		}
	}
	return p
}

// blocksIn gives the blocks of item i of a batch by its facts, and by which item has the route's.
func blocksIn(state []byte, i int, facts uint8, shares int) (route, pending Scratch) {
	if facts&abi.FactRoute != 0 {
		route = Scratch(state[shares*abi.ScratchSize:][:abi.ScratchRoute])
	}
	if facts&abi.FactPending != 0 {
		pending = Scratch(state[i*abi.ScratchSize:][abi.ScratchRoute:abi.ScratchSize])
	}
	return route, pending
}

func (p *strategyPlugin) regions() (input, output []byte) { return p.input(), bytesOf(p.out[:]) }

func (p *strategyPlugin) state() []byte {
	if p.needs&abi.FeatureScratch == 0 {
		return nil
	}
	return bytesOf(p.kept[:])
}

func (p *strategyPlugin) features() uint64 { return uint64(p.needs) }

func (p *strategyPlugin) configure(v Values) error { return p.strategy.Configure(v) }

// process decides on one event as it stands in the input, which is what a host hands over as a rule. Each jump and each call costs
// nanoseconds in what the compiler makes for wasm, so that this way has few.
func (p *strategyPlugin) process(n uint32) uint32 {
	e := &p.event
	if !inPlace || e.fixed != abi.EventFixed || e.hopSize != abi.HopSize || e.hopCount > abi.MaxHops {
		return p.batch(n)
	}
	if n != 1 {
		return p.together(int(min(n, abi.StrategyBatch)))
	}
	progressWord[0] = 0
	blocks := &p.blocks[e.facts&(abi.FactRoute|abi.FactPending)]
	e.Hops, e.Route, e.Pending = (*[abi.MaxHops]Hop)(unsafe.Pointer(&p.in))[:e.hopCount], blocks.route, blocks.pending
	e.Up = e.facts&abi.FactUp != 0
	do := &p.commands
	do.n, do.reuse, do.out = 0, 0, (*commandRoom)(unsafe.Pointer(&p.out[abi.OutHead/8]))
	p.strategy.Decide(e, do)
	commands := uint64(do.n)
	p.out[0], p.out[1], p.out[2] = abi.OutHead+commands*abi.CommandSize|commands<<48, do.reuse, 0
	return 1
}

// migrate converts a block of another schema.
func (p *strategyPlugin) migrate(item, state []byte) bool {
	if p.migrator == nil || len(item) < abi.MigrateSize || get16(item, abi.ItemKind) != abi.MigrateState || len(state) < abi.ScratchSize {
		return false
	}
	from := get64(item, abi.MigrateFrom)
	if get32(item, abi.MigrateWhich) == 0 {
		return p.migrator.Migrate(from, Scratch(state[:abi.ScratchRoute]), nil)
	}
	return p.migrator.Migrate(from, nil, Scratch(state[abi.ScratchRoute:abi.ScratchSize]))
}
