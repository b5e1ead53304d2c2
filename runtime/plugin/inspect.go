package plugin

import "context"

// Report is what a module says of itself without running: `zmesh plugin inspect`.
type Report struct {
	Kind         Kind     `json:"kind"`
	Name         string   `json:"name"`
	Vendor       string   `json:"vendor"`
	Version      string   `json:"version"`
	Description  string   `json:"description"`
	ABI          string   `json:"abi"` // "0.1 to 0.1"
	Digest       string   `json:"digest"`
	Size         int      `json:"size"` // bytes
	Capabilities []string `json:"capabilities"`
	Imports      []string `json:"imports"` // module.name
	Exports      []string `json:"exports"`
	MemoryMin    uint64   `json:"memory_min"` // bytes that it starts with
	MemoryAsked  uint64   `json:"memory_asked"`
	Settings     []string `json:"settings"` // name, type, default: one line each
	StateSchema  string   `json:"state_schema"`
	Vectors      int      `json:"vectors"`
	Problems     []string `json:"problems"` // why this host would refuse it; empty: it would load
}

// Inspect reads a module without running or compiling anything of it.
func Inspect(src Source) (*Report, error) { return nil, errLater }

// Builtins lists the plugins that are in this binary.
func Builtins() []string { return nil }

// DecodeOnce loads a decoder, runs it on one payload and closes it: `zmesh decode`. config is a JSON object or empty.
func DecodeOnce(ctx context.Context, src Source, req Request, config []byte) (Decoded, error) {
	return Decoded{}, errLater
}
