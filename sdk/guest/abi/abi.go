// Package abi owns the bytes that a plugin and its host exchange: names of imports and exports, the layout of the arena, of
// items and of records. The host and the Go guest SDK both read it, and so does whoever writes an SDK in another language.
//
// Everything is little-endian. Offsets that a guest gives are offsets into its linear memory. Sizes are in bytes. An item or
// record begins with its size, a multiple of 8, so that fields can be appended: a reader takes the fields that it knows and
// steps over the rest by the size.
//
// The package knows nothing of wasm, of the host's types or of the SDK's.
package abi

// Major and Minor are the version of the contract. The major one stands in the name of the import module, so that a host
// refuses a module of another major version before anything of it runs. Within a major version things are only added.
const (
	Major = 0
	Minor = 2
)

// Names in a module.
const (
	ImportPrefix    = "zmesh_"         // followed by the major version in decimal
	ImportModule    = "zmesh_0"        // what this version's modules import from
	ManifestSection = "zmesh.manifest" // the custom section with the manifest, JSON

	ImportFeatures = "features" // func() i64: feature bits of the host; every module imports it, so that its version is seen
	ImportLog      = "log"      // func(level i32, offset i32, size i32): one line of UTF-8; capability "log"

	ImportCount    = "count"     // func(name i32, size i32, n i64): adds n to a counter; capability "metrics"
	ImportGauge    = "gauge"     // func(name i32, size i32, value i64): sets a gauge to the float64 with these bits; capability "metrics"
	ImportStateGet = "state_get" // func(key i32, size i32, to i32, room i32) i32: size of the value, of which at most room bytes were written; -1: none; capability "state"
	ImportStateSet = "state_set" // func(key i32, size i32, value i32, size i32) i32: 0; 1: it is over the limit and nothing has changed. No bytes: the key is removed; capability "state"

	ExportMemory     = "memory"
	ExportInitialize = "_initialize"     // func(), optional: the language's own start-up (WASI reactor)
	ExportInit       = "zmesh_init"      // func() i32: offset of the arena's description
	ExportConfigure  = "zmesh_configure" // func(size i32) i32: the configuration stands in its region; 0, or bytes of text in the message region that say why not
	ExportIdle       = "zmesh_idle"      // func(), optional: run between calls, with fuel of its own; see FeatureIdle
	ExportProcess    = "zmesh_process"   // func(n i32) i32: n items stand in the input region; gives n
)

// Levels of ImportLog.
const (
	LogDebug = 0
	LogInfo  = 1
	LogWarn  = 2
	LogError = 3
)

// FeatureIdle says that the host calls zmesh_idle. Bits 0 to 15 are the strategies', from 16 the decoders'.
const FeatureIdle = 1 << 32

// Features of this version's host.
const Features uint64 = StrategyFeatures | FeatureDescribe | FeatureEncode | FeatureIdle

// The description of the arena, to whose first byte zmesh_init points. All regions begin at multiples of 8, lie within the
// memory, and do not overlap. They stay where they are as long as the instance lives.
//
//	offset  size  field
//	0       4     size of the description, 64
//	4       4     version of the contract: major in the high 16 bits, minor in the low
//	8       8     feature bits that the guest relies on, all of them among the host's
//	16      8     input region: offset, size
//	24      8     output region
//	32      8     state region; size 0 if there is none
//	40      8     configuration region
//	48      8     progress word: offset, size 4. The guest writes an item's index there before it begins with it
//	56      8     message region: text of what went wrong in zmesh_configure
const (
	ArenaSize     = 64
	ArenaVersion  = 4
	ArenaFeatures = 8
	ArenaInput    = 16
	ArenaOutput   = 24
	ArenaState    = 32
	ArenaConfig   = 40
	ArenaProgress = 48
	ArenaMessage  = 56
)

// Bounds of what "metrics" and "state" take.
const (
	MaxMetricName = 63   // bytes: a lower case letter, then letters, digits and _
	MaxStateKey   = 255  // bytes, at least 1
	MaxStateValue = 4096 // bytes
)

// StateNone is what state_get gives for a key that is not there.
const StateNone = 0xFFFFFFFF

// ProgressNone is what the host writes to the progress word before a call.
const ProgressNone = 0xFFFFFFFF

// The head of every item of the input region. Items follow each other without a gap.
//
//	0  4  size of the item, with everything that belongs to it
//	4  2  kind of the item
//	6  2  size of the fixed part: where the first variable part begins
const (
	ItemSize  = 0
	ItemKind  = 4
	ItemFixed = 6
)

// The head of every item of the output region: one for each item of the input, in the same order.
//
//	0  4   size of the item, with its commands or records
//	4  2   status: StatusOK, or StatusFailed if the plugin has no answer
//	6  2   number of commands or records
//	8  16  zero (for a later directive that lets the host reuse a decision)
const (
	OutSize    = 0
	OutStatus  = 4
	OutCount   = 6
	OutHead    = 24
	OutDetails = 8
)

// Statuses of an item of the output.
const (
	StatusOK     = 0
	StatusFailed = 1
)

// Align rounds a size up to a multiple of 8.
func Align(n int) int { return (n + 7) &^ 7 }
