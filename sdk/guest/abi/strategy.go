package abi

// Sizes of a strategy's regions: what the host needs at least. Its state region, if it has one, holds ScratchSize bytes for each
// item of a batch.
const (
	StrategyInput  = 4096
	StrategyOutput = 4096
)

// An event: one item of a strategy's input. Times are in ns unless they say otherwise.
//
//	offset  size  field
//	0       8     head of the item; its kind is one of the events below
//	8       8     time since the node started
//	16      6     Content Name; of a route or face change the prefix, or that of a strategy below it
//	22      1     TTL
//	23      1     reason of the Return (ReturnIn)
//	24      4     FSEQ
//	28      4     in-face
//	32      2     size of a next-hop record, 24
//	34      2     next hops that follow, at most 8
//	36      4     how many more next hops there are
//	40      8     how long the asker still waits
//	48      2     length of the frame at hand, without a Net ID
//	50      1     its packet type: 0 Interest, 1 Content
//	51      1     its FHDR as it came
//	52      1     network key id
//	53      1     kind of the in-face: 0 the node itself, 1 a configured peer, 2 a peer that came by itself, 3 broadcast
//	54      2     signal strength of the frame in dBm, signed; SignalUnknown if the link does not measure it
//	56      4     face that answered (ContentIn), returned (ReturnIn) or changed (FaceChange); otherwise the in-face
//	60      4     random bits, others at each event and node
//	64      1     length of the prefix (RouteChange, FaceChange)
//	65      1     facts, bits below
//	66      2     item of the batch whose route's block is this one's too: its own index, or that of the first of its route. 0 of an event alone
//	68      4     0
//	72            next hops, sorted by cost, the producer's face first:
//	        4       face
//	        2       cost
//	        2       state, bits below
//	        4       round-trip time, µs, smoothed (RFC 6298); 0: unknown
//	        4       its variation, µs
//	        4       ms since the first Interest there that nothing has come back for since; 0: nothing is missing
//	        2       loss: 65,535 is all
//	        2       frames that the link has not sent yet, or QueueUnknown
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
	EventExpiry   = 40
	EventLength   = 48
	EventType     = 50
	EventFHDR     = 51
	EventKeyID    = 52
	EventInKind   = 53
	EventSignal   = 54
	EventFace     = 56
	EventRandom   = 60
	EventPrefix   = 64
	EventFacts    = 65
	EventShares   = 66
	EventFixed    = 72

	HopFace   = 0
	HopCost   = 4
	HopState  = 6
	HopRTT    = 8
	HopVar    = 12
	HopSilent = 16
	HopLoss   = 20
	HopQueue  = 22
	HopSize   = 24

	MaxHops = 8
)

// Kinds of events.
const (
	InterestIn  = 0 // an Interest that nothing pending or stored answers
	RetryIn     = 1 // the same asker again, or a new one that the faces asked so far cannot serve
	ReturnIn    = 2 // a face that was asked has returned the Interest, or went down
	Renew       = 3 // our own subscription opens, is renewed, or has lost its face
	ContentIn   = 4 // an Interest that it decided on is answered; or a Content came in on a broadcast face. FeatureContent
	TimerDue    = 5 // the timer that it set for a pending Interest
	RouteChange = 6 // a route has other next hops, or is new. FeatureRoutes
	FaceChange  = 7 // a next hop of a route came up or went down. FeatureFaces
)

// Facts of an event.
const (
	FactRoute   = 1 << 0 // the route's block stands in the state region
	FactPending = 1 << 1 // the pending Interest's block does
	FactUp      = 1 << 2 // FaceChange: the face is up
)

// Bits of a next hop's state.
const (
	HopTried     = 1 << 0 // it was asked
	HopReturned  = 1 << 1 // and has returned the Interest
	HopInFace    = 1 << 2 // the Interest came from there: it cannot be used
	HopProducer  = 1 << 3 // the face of the name's producer
	HopMeasured  = 1 << 4 // round-trip time and loss are of this route; without, the time is that of the hellos, or 0
	HopBroadcast = 1 << 5 // more than one node may hear what is sent there
)

// Kinds of faces.
const (
	FaceSelf         = 0
	FacePointToPoint = 1
	FaceOnDemand     = 2
	FaceBroadcast    = 3
)

// What a link does not tell.
const (
	SignalUnknown = -32768
	QueueUnknown  = 0xFFFF
)

// Blocks that the host keeps for a strategy. For item i of a batch they stand in the state region from i × ScratchSize on: the
// route's, then the pending Interest's. The host writes both before a call, zeros where there is none, and keeps what stands there
// after it, unless the plugin trapped. Items of one route have one block, where the first of them has it: see EventShares.
const (
	ScratchRoute   = 96
	ScratchPending = 64
	ScratchSize    = ScratchRoute + ScratchPending
)

// Features of a strategy: bits 0 to 15 of the feature bits.
const (
	FeatureContent  = 1 << 0 // it is told of ContentIn
	FeatureRoutes   = 1 << 1 // … of RouteChange
	FeatureFaces    = 1 << 2 // … of FaceChange
	FeatureMeasures = 1 << 3 // next hops carry what was measured of them
	FeatureScratch  = 1 << 4 // the host keeps blocks for it, typed by the manifest's state
	FeatureMigrate  = 1 << 5 // it can be asked to convert a block of another schema: MigrateState
	FeatureBatch    = 1 << 6 // it takes batches of InterestIn, and its regions have room for them; without it an event is alone

	StrategyFeatures = 1<<7 - 1
)

// StrategyBatch is how many events a batch has at most. The others are what a strategy's regions have at least if it relies on FeatureBatch,
// the last one only with FeatureScratch too.
const (
	StrategyBatch       = 64
	StrategyBatchInput  = StrategyBatch * (EventFixed + MaxHops*HopSize)
	StrategyBatchOutput = StrategyBatch * (OutHead + MaxCommands*CommandSize)
	StrategyBatchState  = StrategyBatch * ScratchSize
)

// MigrateState is the kind of an item that is no event: the block of a version with another schema is to be converted. It stands in
// the state region as for an event, and the item is alone in its batch. Status StatusOK keeps what stands there afterwards,
// StatusFailed zeroes it.
//
//	0   8  head of the item
//	8   8  id of the schema that wrote it: FNV-1a, 64 bits, of the manifest's state
//	16  4  which block: 0 the route's, 1 the pending Interest's
//	20  4  0; of a driver's block its size
const (
	MigrateState = 32

	MigrateFrom  = 8
	MigrateWhich = 16
	MigrateOld   = 20
	MigrateSize  = 24
)

// SchemaID is the number under which the host keeps blocks of a schema.
func SchemaID(state string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(state) {
		h = (h ^ uint64(state[i])) * 0x100000001b3
	}
	return h
}

// A command: one record of a strategy's output.
//
//	offset  size  field
//	0       1     op
//	1       1     n of SendFirst
//	2       1     reason of SendReturn
//	3       1     0
//	4       4     face of SendTo
//	8       8     delay of Repeat and SetTimer, ns, signed
const (
	CommandOp     = 0
	CommandN      = 1
	CommandReason = 2
	CommandFace   = 4
	CommandDelay  = 8
	CommandSize   = 16

	MaxCommands = 4
)

// In the head of a strategy's output item, where its 16 bytes are: for how many further Interests of the route the answer to an InterestIn is good
// without another call, and for how many ms. Both not 0; the host takes at most MaxReuse and MaxReuseTime. The other 12 bytes are 0.
const (
	OutReuse     = OutDetails
	OutReuseTime = OutDetails + 2

	MaxReuse     = 255
	MaxReuseTime = 1000
)

// Ops.
const (
	SendTo      = 0 // to the face
	SendAll     = 1 // to all usable next hops but the in-face
	SendFirst   = 2 // to the first n next hops that work
	SendReturn  = 3 // give up: Return with the reason to whoever asks
	DropRequest = 4 // give up and say nothing
	Repeat      = 5 // the frame at hand on its in-face, a broadcast face, after the delay, unless it is heard there again
	SetTimer    = 6 // TimerDue after the delay, at least 1 ms; it takes the place of one that is set, and keeps the Interest pending
)
