package config

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/wire"
)

// Config is a whole configuration, checked. Lists are in the order of the file.
type Config struct {
	File string // as it was given to Load
	Dir  string // its folder: what relative paths start from

	Node       Node
	Networks   []Network // 0 is the node's own; see wire.Keyring for the index
	Store      Store
	Faces      []Face
	Routes     []Route
	Announce   []Announce
	Plugins    []Plugin
	Strategies []Strategy
	Trust      *Trust // nil: no [plugins_trust], so unsigned modules load
	Streams    []Stream
	Limits     Limits
	Admin      Admin
	Metrics    Metrics
	Log        Log
}

// Position is where a setting stands. The zero value is a setting that is not in a file.
type Position struct {
	File string
	Line int // from 1
}

// String is file:line.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Node is [node].
type Node struct {
	Name    string // in logs, status and metrics; needed
	ID      uint32 // in Announcements and Returns (P-6, P-7); default: FNV-1a-32 of Name
	NetID   uint32 // 0: the local network, sent without a Net ID field, as 1 is (P-19)
	DataDir string // store, compile cache, journal, watermarks; relative to Dir resolved; default "data"; not created here
	Workers int    // 1 … 64; default 1, see [defaultWorkers]

	Onboarding []name.Name // answered under the public key (P-9)
}

// Network is a network with its naming and keys: the node's own, or another one that it has keys for (P-19).
type Network struct {
	NetID    uint32
	Settings name.Settings // what Naming was made from; its table has the lines of the names file
	Naming   *name.Network
	Keys     []NetworkKey // one to four; exactly one has Use
}

// NetworkKey is one of [[network_keys]].
type NetworkKey struct {
	ID  uint8 // 0 … 3, as in FCTRL
	Use bool  // what this node signs with
	Key Secret
	Pos Position
}

// Store is [store].
type Store struct {
	Retention      time.Duration // default 24 h
	MaxSize        int64         // bytes on disk, for the whole node; default 2 GiB
	Durability     store.Class   // default Buffered
	MaxRatePerName int           // contents a minute of one name (P-22); default 60; store.Unlimited: none
	Memory         int           // bytes of bodies in memory, for the whole node; default 32 MiB
	MaxNames       int           // names in the index, for the whole node; default 262,144
	SyncEvery      time.Duration // how often buffered contents are made safe; default 1 s
	Rules          []store.Rule  // by prefix; the longest wins, alone
	Mirror         []name.Prefix // subscribed to, kept and filled up from others
	Pos            Position
}

// FaceType is the kind of link of a face.
type FaceType string

// The types of the surface page; see builtFaces for those that are built in.
const (
	UDP       FaceType = "udp"
	TCP       FaceType = "tcp"
	TLS       FaceType = "tls"
	Unix      FaceType = "unix"
	WebSocket FaceType = "websocket"
	Serial    FaceType = "serial"
	Memory    FaceType = "memory"
	Driver    FaceType = "driver"
)

// Face is one of [[faces]]: a listener, whose peers become faces of their own (P-11), or a remote. Exactly one of Listen
// and Remote is set, or the device of a driver.
type Face struct {
	Name   string
	Type   FaceType
	Listen string     // host:port, or the path of a unix socket; port 0 lets the system choose
	Remote string     // the same; the host may be a name that is looked up when the node starts
	Driver DriverFace // of the type driver

	Publish    []name.Prefix // what may be published from here (P-17); none: nothing
	Ask        []name.Prefix // what may be asked for from here, if AskSome
	AskSome    bool          // ask is given; false: everything may be asked for
	Announce   []name.Prefix // which Announcements are believed from here (P-7); none: none
	Proxy      bool          // serve sleepers here (P-8)
	Hello      bool          // a forwarder is at the other end: probe it (P-18); default true on remotes, never on listeners
	Clock      bool          // refuse timestamps outside the window (P-4); default true on listeners, never on remotes
	NetIDField bool          // write the node's Net ID into frames (P-19); default true if there is one
	Cost       uint16        // what an Announcement's cost grows by here (P-7); default 1
	MTU        int           // longest frame in bytes; default wire.MaxFrame
	Share      float64       // part of each table that it may fill (P-22); default an eighth

	Pos Position
}

// Route is one of [[routes]]: a static one.
type Route struct {
	Prefix name.Prefix
	Face   string // the name of a remote
	Cost   uint16 // default 10
	Pos    Position
}

// Announce is one of [[announce]]: what this node offers routes to (P-7).
type Announce struct {
	Prefix   name.Prefix
	Cost     uint16        // default 0
	Lifetime time.Duration // whole seconds up to an hour; default 10 min
	Pos      Position
}

// Plugin is one of [[plugins]]. Exactly one of Path and Builtin is set.
type Plugin struct {
	Name    string
	Path    string   // resolved; the file was there
	Builtin string   // one that ships
	Grant   []string // capabilities; none: none

	// Config is what is handed to the plugin, for it to be checked against the plugin's schema. Values are string, int64,
	// float64, bool, time.Time, []any and map[string]any. Never nil.
	Config map[string]any
	Keys   map[string]Position // of each key of Config, dotted: "a.b", "list[0].c"

	Limits PluginLimits

	Pos Position
}

// PluginLimits is [plugins.limits]: what one plugin may use. Zero: not given, so that the default of its kind holds.
type PluginLimits struct {
	Memory    int64 // bytes of one instance
	ItemFuel  int64 // units for an item of a call
	StartFuel int64 // units for start-up, init and configuration
	IdleFuel  int64 // units for a run of the idle hook

	LogLines   int // a second, ten times as many at once
	LogBytes   int // a second, ten times as many at once
	Series     int // counters and gauges
	StateBytes int // of keys and values
	Output     int // commands, frames or records for an item

	CallTime time.Duration // of one call
	Traps    int           // within Window that are too many
	Window   time.Duration
	MaxAge   time.Duration // of an instance
	Recycle  int64         // bytes that an instance may have grown to
}

// Strategy is one of [[strategies]].
type Strategy struct {
	Prefix name.Prefix
	Plugin string // the name of a plugin, or BestRoute
	Pos    Position
}

// BestRoute is the strategy that is built into the core, and the one of every prefix without an entry.
const BestRoute = "best-route"

// Trust is [plugins_trust]: only modules signed by one of the keys load.
type Trust struct {
	Keys []ed25519.PublicKey // at least one
}

// Encryption is a payload cipher (P-10).
type Encryption string

// The ciphers of streams.
const (
	NoEncryption     Encryption = "none"
	AES128CTR        Encryption = "aes-128-ctr"       // 16-byte key
	ChaCha20Poly1305 Encryption = "chacha20-poly1305" // 32-byte key
)

// Stream is one of [[streams]]: what is known of a name, for tools, decoders and gateways, never for forwarding.
type Stream struct {
	URI        string // empty if only the name is known
	Name       name.Name
	Encryption Encryption     // default NoEncryption
	Key        Secret         // empty, 16 or 32 bytes, as Encryption wants it
	IV         [9]byte        // zeros without encryption
	Decoder    string         // the name of a plugin, or of a decoder that ships; empty: none
	Port       uint8          // 1 … 255; 0: none, or PortInPayload
	PortFirst  bool           // port = "payload": the first byte of the payload
	Variables  map[string]any // per-device constants for the decoder: string, int64, float64 or bool
	Pos        Position
}

// Limits is [limits]: the numbers of the protocol page, part 2.
type Limits struct {
	forward.Limits
	Wildcard byte // matches any other at levels 1 to 5 of a hierarchical name (P-5); default 0xFF
}

// Admin is [admin].
type Admin struct {
	Network string // "unix" or "tcp"
	Address string // a path in DataDir, or host:port
	Token   Secret // empty on a unix socket, or with mutual TLS
	TLS     *AdminTLS
	Pos     Position
}

// AdminTLS is mutual TLS for the admin address: files in PEM, resolved; they were there.
type AdminTLS struct {
	Certificate, Key, ClientCA string
}

// Metrics is [metrics].
type Metrics struct {
	Listen string // host:port; empty: none
	Pos    Position
}

// Log is [log].
type Log struct {
	Level  string // trace, debug, info (default), warn, error or disabled: names of zerolog
	Format string // auto (default: text on a terminal, JSON otherwise), text or json
}

// defaultWorkers is 1 although machines have more cores: one worker with one reader carries far more than a gateway's links do, and
// everything that is for all names (wildcards, Announcements) costs once for each worker. Who measures otherwise sets it.
const defaultWorkers = 1

// Bounds of settings, where the protocol or the system sets them.
const (
	maxWorkers     = 64
	minFrame       = wire.MinFrame + wire.InterestPayload
	maxExpiry      = 0xFFFF * time.Second // two bytes of seconds (protocol page, part 1)
	maxLifetime    = 3600 * time.Second   // P-7
	defaultPort    = 2208                 // P-11
	ivSize         = 9
	maxSocketPath  = 107 // sun_path on Linux, without the final zero
	maxNameLength  = 63
	defaultLevel   = "info"
	defaultDataDir = "data"
)
