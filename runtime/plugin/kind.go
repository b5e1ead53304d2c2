package plugin

// Kind is what a plugin is to the host.
type Kind string

// The kinds. A driver is refused with a sentence until faces can be driven by one.
const (
	KindStrategy Kind = "strategy"
	KindDecoder  Kind = "decoder"
	KindDriver   Kind = "driver"
)

// BestRoute is the name of the strategy that is built into the core and needs no module.
const BestRoute = "best-route"

// Source is where a module comes from. Exactly one field is set.
type Source struct {
	Path    string // a file
	Builtin string // one that ships in the binary, by name
	Bytes   []byte // the module itself, as the admin API receives it
}

// Spec is what a plugin is loaded with.
type Spec struct {
	Name   string         // how the rest of the configuration refers to it
	Source Source         // the module
	Grants []string       // capabilities, by name; empty: none
	Config map[string]any // checked against the manifest's schema; string, int64, float64 or bool by dotted key or nested table
}

// State is where a plugin is in its life.
type State string

// The states.
const (
	StateProvisioning State = "provisioning" // being compiled
	StateValidating   State = "validating"   // its vectors run
	StateRunning      State = "running"
	StateClosing      State = "closing" // no longer reachable; the last call in it ends
)

// Status is one line of `zmesh plugin list`.
type Status struct {
	Name      string   `json:"name"`
	Kind      Kind     `json:"kind"`
	Vendor    string   `json:"vendor"`
	Version   string   `json:"version"`
	Digest    string   `json:"digest"` // SHA-256 of the module as it came, hex
	Source    string   `json:"source"` // "builtin:milesight", a path, or "bytes"
	State     State    `json:"state"`
	Grants    []string `json:"grants"`
	Instances int      `json:"instances"`
	Memory    uint64   `json:"memory"`   // bytes of linear memory of all instances
	Calls     uint64   `json:"calls"`    // items handed to it since the plugin was loaded, over swaps
	Traps     uint64   `json:"traps"`    // calls that ended in a trap or in output that is none
	Degraded  uint64   `json:"degraded"` // strategy: events decided by best-route instead
	Swaps     uint64   `json:"swaps"`
}
