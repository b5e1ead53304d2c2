package admin

import "time"

// Status is how a node stands: GET /v1/status.
type Status struct {
	Name      string            `json:"name"`
	ID        string            `json:"id"` // eight hex digits
	NetID     string            `json:"net_id"`
	Naming    string            `json:"naming"`
	Version   string            `json:"version"`
	Boot      uint32            `json:"boot"`
	Uptime    time.Duration     `json:"uptime_ns"`
	Workers   int               `json:"workers"`
	Memory    uint64            `json:"memory_bytes"` // heap in use
	Faces     int               `json:"faces"`
	Routes    int               `json:"routes"`
	InFrames  uint64            `json:"in_frames"`
	OutFrames uint64            `json:"out_frames"`
	Tables    Tables            `json:"tables"`
	Totals    Totals            `json:"totals"`
	Drops     map[string]uint64 `json:"drops"` // by reason, over all faces; those that are 0 are left out
	Store     Store             `json:"store"`

	PluginJournal PluginJournal `json:"plugin_journal"`
}

// PluginJournal is how the journal of the plugins stands.
type PluginJournal struct {
	Lost    uint64 `json:"lost"`              // steps since the start that are not on disk
	Problem string `json:"problem,omitempty"` // why the last one is not
}

// Tables are the sizes of a node's tables.
type Tables struct {
	PIT           int `json:"pit"`
	PITRecords    int `json:"pit_records"`
	Subscriptions int `json:"subscriptions"`
	Subscribers   int `json:"subscribers"`
	Producers     int `json:"producers"`
	Sleepers      int `json:"sleepers"`
	HeldFrames    int `json:"held_frames"` // that wait to be repeated
}

// Totals count what a node did since its start.
type Totals struct {
	StoreHits  uint64 `json:"store_hits"`
	Merged     uint64 `json:"merged"`
	Forwarded  uint64 `json:"forwarded"`
	Suppressed uint64 `json:"suppressed"`
	Satisfied  uint64 `json:"satisfied"`
	Returned   uint64 `json:"returned"`
	Pushed     uint64 `json:"pushed"`
	Held       uint64 `json:"held"`
	Expired    uint64 `json:"expired"`

	Repeated      uint64 `json:"repeated"`       // frames that a strategy sent again where they came from
	RepeatsSpared uint64 `json:"repeats_spared"` // of those that it wanted to: heard again, or answered before
	Ignored       uint64 `json:"ignored"`        // commands of strategies that cannot be done
	TimersRefused uint64 `json:"timers_refused"` // of strategies, beyond strategy_timers of [limits]
}

// Face is a face: GET /v1/faces.
type Face struct {
	ID            uint32            `json:"id"`
	Name          string            `json:"name"`
	Listener      bool              `json:"listener"` // no face itself: where on-demand faces come from
	OnDemand      bool              `json:"on_demand"`
	Peer          string            `json:"peer,omitempty"`
	Up            bool              `json:"up"`
	Forwarder     string            `json:"forwarder,omitempty"` // node id of the peer, if it answers hellos (P-18)
	RTT           time.Duration     `json:"rtt_ns,omitempty"`
	InFrames      uint64            `json:"in_frames"`
	OutFrames     uint64            `json:"out_frames"`
	InBytes       uint64            `json:"in_bytes"`
	OutBytes      uint64            `json:"out_bytes"`
	Subscriptions int64             `json:"subscriptions"`
	Idle          time.Duration     `json:"idle_ns"`
	Drops         map[string]uint64 `json:"drops"`
	Driver        *DriverFace       `json:"driver,omitempty"` // of a face with a driver
}

// DriverFace is what of a face its driver's line knows. Counts are totals since it was opened.
type DriverFace struct {
	Plugin     string `json:"plugin"`
	Transport  string `json:"transport"`
	Problem    string `json:"problem,omitempty"` // why it is not connected
	Peers      int    `json:"peers"`
	Calls      uint64 `json:"calls"` // bursts that the driver was handed
	Reads      uint64 `json:"reads"`
	Writes     uint64 `json:"writes"`
	LineIn     uint64 `json:"line_in_bytes"` // on the line, framing and noise too
	LineOut    uint64 `json:"line_out_bytes"`
	Connects   uint64 `json:"connects"`
	Refused    uint64 `json:"refused"`     // connections beyond the limits
	HalfDuplex uint64 `json:"half_duplex"` // writes that waited for silence
	DutyCycle  uint64 `json:"duty_cycle"`  // writes that waited for their share of the time
}

// Route is a way to a prefix: GET /v1/routes. POST adds a static one, DELETE removes it; these need Prefix, Face and, to
// add, Cost.
type Route struct {
	Prefix string        `json:"prefix"`
	Face   string        `json:"face"` // name; "" is this node itself
	Cost   uint16        `json:"cost"`
	Origin string        `json:"origin,omitempty"` // of an announced one: node id
	Static bool          `json:"static"`
	Used   bool          `json:"used"`
	Left   time.Duration `json:"left_ns,omitempty"`
}

// Strategy says which strategy holds for a prefix: GET /v1/strategies. POST sets it until the next reload.
type Strategy struct {
	Prefix string `json:"prefix"`
	Plugin string `json:"plugin"`
}

// Store is the content store: GET /v1/store.
type Store struct {
	Names      int               `json:"names"`
	InMemory   int               `json:"in_memory"` // contents
	LogBytes   int64             `json:"memory_bytes"`
	Disk       bool              `json:"disk"`
	DiskBytes  int64             `json:"disk_bytes"`
	Hours      int               `json:"hours"`
	Commits    uint64            `json:"commits"`
	Conflicts  uint64            `json:"conflicts"`
	NotKept    map[string]uint64 `json:"not_kept"`
	Failures   uint64            `json:"write_failures"`
	Dropped    uint64            `json:"hours_dropped"` // before their time: max_size was reached
	Damaged    uint64            `json:"hours_damaged"` // set aside
	Trouble    string            `json:"trouble,omitempty"`
	Retention  time.Duration     `json:"retention_ns"`
	Durability string            `json:"durability"`
	Mirrors    []Mirror          `json:"mirrors,omitempty"`
}

// Mirror is how far a [[store.mirror]] has come since the node's start.
type Mirror struct {
	Prefix string `json:"prefix"`
	Names  int    `json:"names"`  // that it follows
	Copied uint64 `json:"copied"` // contents that it has seen through the store, those of before the start too
	Behind uint64 `json:"behind"` // numbers that are known to exist and are not copied yet
	Lost   uint64 `json:"lost"`   // numbers that nobody had any more
	Full   bool   `json:"full"`   // it follows as many names as it can, and there are more
}

// Plugin is a plugin of a running node: GET /v1/plugins.
type Plugin struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Version   string `json:"version"`
	Digest    string `json:"digest"`
	State     string `json:"state"`
	Source    string `json:"source"`
	Instances int    `json:"instances"`
	Calls     uint64 `json:"calls"`
	Traps     uint64 `json:"traps"`

	Limits     map[string]uint64 `json:"limits"`      // how often each limit was met, by its setting
	StateKeys  int               `json:"state_keys"`  // kept for the plugin
	StateBytes int               `json:"state_bytes"` // that they take

	Reused   uint64      `json:"reused"`   // Interests that a strategy had answered with an earlier one, without a call
	Degraded uint64      `json:"degraded"` // a strategy's events that best-route decided instead
	Swaps    uint64      `json:"swaps"`    // since it was loaded
	Returned uint64      `json:"returned"` // how often the version before came back by itself
	Recycled uint64      `json:"recycled"` // instances replaced because they had grown, or were old
	Skipped  uint64      `json:"skipped"`  // inputs not handed to it because they had killed an instance
	Previous string      `json:"previous"` // digest of what rollback goes back to; empty: nothing
	Fuel     Spread      `json:"fuel"`     // units that a call takes: of one in 64; of a decoder, of all
	Time     Spread      `json:"time_ns"`  // how long a call takes, of the same calls
	LastTrap *PluginTrap `json:"last_trap,omitempty"`
}

// Spread tells how values are spread. Percentiles are right to a quarter and never too low; the most is exact.
type Spread struct {
	Samples uint64 `json:"samples"`
	P50     uint64 `json:"p50"`
	P90     uint64 `json:"p90"`
	P99     uint64 `json:"p99"`
	Most    uint64 `json:"most"`
}

// PluginTrap is the last trap of a plugin.
type PluginTrap struct {
	Time        time.Time `json:"time"`
	Digest      string    `json:"digest"` // of the version
	Why         string    `json:"why"`
	Input       string    `json:"input"`        // the item that caused it, hex, at most 4,096 bytes of it
	InputDigest string    `json:"input_digest"` // SHA-256 of all of it; empty: it was no item's doing
}

// PluginEntry is a step in the life of a plugin: GET /v1/plugins/journal.
type PluginEntry struct {
	Time   time.Time `json:"time"`
	Plugin string    `json:"plugin"`
	What   string    `json:"what"` // loaded, swapped, rolled back, unloaded, refused, trapped, replaced, returned, quarantined, resumed, slow, forgotten
	Who    string    `json:"who"`  // configuration, operator, or node: by itself
	Digest string    `json:"digest,omitempty"`
	From   string    `json:"from,omitempty"`  // digest of the version that it takes the place of
	Input  string    `json:"input,omitempty"` // digest of the input that killed an instance
	Why    string    `json:"why,omitempty"`
}

// PluginName is the body of POST /v1/plugins/rollback and of DELETE /v1/plugins.
type PluginName struct {
	Name string `json:"name"`
}

// PluginLoad is the body of POST /v1/plugins (load) and of POST /v1/plugins/{name}/swap: a module's bytes travel as they
// are, base64 in JSON, so that the node needs no access to the operator's files.
type PluginLoad struct {
	Name   string   `json:"name"`
	Module []byte   `json:"module"`
	Grant  []string `json:"grant,omitempty"`
	From   string   `json:"from"` // what the operator called the file

	Config map[string]any `json:"config,omitempty"` // of POST /v1/plugins, as [plugins.config]; a swap keeps what there is
}

// Reloaded is the answer to POST /v1/reload.
type Reloaded struct {
	Changes []string `json:"changes"`
}

// Failure is the body of every answer that is not 2xx.
type Failure struct {
	Error string `json:"error"`
}
