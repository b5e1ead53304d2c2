package abi

// Sizes of a driver's regions: what the host needs at least. The state region must have room for the block of the link and for
// DriverItems blocks of peers, of the sizes that the manifest declares.
const (
	DriverInput  = 16384
	DriverOutput = 65536
)

// DriverItems is how many items a batch has at most.
const DriverItems = 64

// MaxReceived is how many bytes an item Received or Send has at most.
const MaxReceived = 8192

// Bounds of the blocks that the host keeps for a driver, in bytes. Sizes are multiples of 8.
const (
	MaxLinkBlock = 8192
	MaxPeerBlock = 256
)

// An item of a driver's input.
//
//	offset  size  field
//	0       8     head of the item; its kind is one of those below
//	8       8     time since the node started, ns
//	16      4     peer: the host's number for who is at the other end; 0: there is one only
//	20      4     where the peer's block is: offset in the state region
//	24      2     size of the link's block, which is at the beginning of the state region
//	26      2     size of the peer's block
//	28      4     size of the bytes
//	32      4     Received: how many of the bytes were offered before and not consumed
//	36      4     0
//	40            bytes: what came, or the frame to send; padding to a multiple of 8
//
// The blocks are the host's: it writes them before a call and reads them after it. What the guest has changed in them is there again
// at the next call, whichever instance that meets, or version with the same state schema. They begin as zeros; after a trap the blocks of
// that call are zeros again. A version with another schema is asked to convert them if it relies on FeatureMigrate: an item
// MigrateState as a strategy has it, with 0 for the link's block and 1 for a peer's, and at offset 20 the size that it had. It stands
// at the beginning of the state region, and what stands there afterwards counts, in the size that this version declares. Else it is zeroed.
const (
	DriverTime      = 8
	DriverPeer      = 16
	DriverPeerBlock = 20
	DriverLinkSize  = 24
	DriverPeerSize  = 26
	DriverSize      = 28
	DriverSeen      = 32
	DriverFixed     = 40
)

// Kinds of a driver's items.
const (
	Received = 0 // bytes have come in: of a stream all that was not consumed yet, else one datagram
	Send     = 1 // a frame is to be sent
	Timer    = 2 // the time that the driver asked for is over
	LinkUp   = 3 // the link, or the connection of a peer, works from now on
	LinkDown = 4 // it does not any more; bytes can no longer be sent there
)

// What stands in the details of an output item's head, the 16 bytes at OutDetails. Those that are not named are zero.
//
//	8   4  Received: how many of the bytes were consumed. The host offers the others again, with what comes after them
//	12  4  how many frames were damaged: their bytes were consumed, and nothing can be made of them
//	16  4  ms until a Timer item; 0: leave the timer as it is. There is one for the link
const (
	DriverConsumed = OutDetails
	DriverDamaged  = OutDetails + 4
	DriverTimer    = OutDetails + 8
)

// StatusMore is the status of a driver's item Received whose output region was full: the host calls again at once with what is left.
// It must have consumed something.
const StatusMore = 2

// A record of a driver's output: a frame, or bytes for a peer.
//
//	offset  size  field
//	0       4     size of the record
//	4       1     tag: TagFrame or TagBytes
//	5       1     TagFrame: signal strength in dBm, signed; 0: not known
//	6       2     0
//	8       4     TagBytes: the peer; usually that of the item
//	12      4     size of the data
//	16            data, padding to a multiple of 8
//
// Frames are taken from items Received and Timer only.
const (
	OutTag      = 4
	OutSignal   = 5
	OutPeer     = 8
	OutDataSize = 12
	OutFixed    = 16
)

// Tags of a driver's records.
const (
	TagFrame = 1
	TagBytes = 2
)

// MaxDriverRecords is how many records one item may have.
const MaxDriverRecords = 1024
