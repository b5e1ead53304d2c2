package abi

// Sizes of a strategy's regions: what the host needs at least.
const (
	StrategyInput  = 4096
	StrategyOutput = 4096
)

// An event: one item of a strategy's input.
//
//	offset  size  field
//	0       8     head of the item; its kind is one of the events below
//	8       8     time since the node started, ns
//	16      6     Content Name
//	22      1     TTL
//	23      1     reason of the Return (Returned)
//	24      4     FSEQ
//	28      4     in-face
//	32      2     size of a next-hop record, 8
//	34      2     next hops that follow, at most 8
//	36      4     how many more next hops there are
//	40            next hops, sorted by cost, the producer's face first:
//	        4       face
//	        2       cost
//	        2       state, bits below
const (
	EventTime     = 8
	EventName     = 16
	EventTTL      = 22
	EventReason   = 23
	EventSeq      = 24
	EventInFace   = 28
	EventHopSize  = 32
	EventHopCount = 34
	EventMore     = 36
	EventFixed    = 40

	HopFace  = 0
	HopCost  = 4
	HopState = 6
	HopSize  = 8

	MaxHops = 8
)

// Kinds of events.
const (
	InterestIn = 0 // an Interest that nothing pending or stored answers
	RetryIn    = 1 // the same asker again, or a new one that the faces asked so far cannot serve
	ReturnIn   = 2 // a face that was asked has returned the Interest, or went down
	Renew      = 3 // our own subscription opens, is renewed, or has lost its face
)

// Bits of a next hop's state.
const (
	HopTried    = 1 << 0 // it was asked
	HopReturned = 1 << 1 // and has returned the Interest
	HopInFace   = 1 << 2 // the Interest came from there: it cannot be used
	HopProducer = 1 << 3 // the face of the name's producer
)

// A command: one record of a strategy's output.
//
//	offset  size  field
//	0       1     op
//	1       1     n of SendFirst
//	2       1     reason of SendReturn
//	3       1     0
//	4       4     face of SendTo
//	8       8     0
const (
	CommandOp     = 0
	CommandN      = 1
	CommandReason = 2
	CommandFace   = 4
	CommandSize   = 16

	MaxCommands = 4
)

// Ops.
const (
	SendTo      = 0 // to the face
	SendAll     = 1 // to all usable next hops but the in-face
	SendFirst   = 2 // to the first n next hops that work
	SendReturn  = 3 // give up: Return with the reason to whoever asks
	DropRequest = 4 // give up and say nothing
)
