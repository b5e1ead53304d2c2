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
