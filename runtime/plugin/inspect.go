package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// Report is what a module says of itself without running: `zmesh plugin inspect`.
type Report struct {
	Kind         Kind     `json:"kind"`
	Name         string   `json:"name"`
	Vendor       string   `json:"vendor"`
	Version      string   `json:"version"`
	Description  string   `json:"description"`
	ABI          string   `json:"abi"` // "0.1" or "0.1 to 0.3"
	Digest       string   `json:"digest"`
	Size         int      `json:"size"` // bytes
	Capabilities []string `json:"capabilities"`
	Imports      []string `json:"imports"` // module.name
	Exports      []string `json:"exports"`
	MemoryMin    uint64   `json:"memory_min"`   // bytes that it starts with
	MemoryAsked  uint64   `json:"memory_asked"` // bytes that it says it needs at most; 0: the host's default
	FuelAsked    Budget   `json:"fuel_asked"`   // what it says it needs; 0: it does not say
	Bounds       Bounds   `json:"bounds"`       // what it gets here, unless a node's configuration says otherwise
	Settings     []string `json:"settings"`     // one line each: name, type, default, help
	StateSchema  string   `json:"state_schema"`
	Vectors      int      `json:"vectors"` // that travel with it
	Events       int      `json:"events"`

	Driver   *engine.Driver `json:"driver,omitempty"` // what its links are like
	Problems []string       `json:"problems"`         // why this host would refuse it if it were granted all that it asks for; empty: it would load
}

// Budget is fuel, in units of package meter.
type Budget struct {
	Item  int64 `json:"item"`
	Start int64 `json:"start"`
	Idle  int64 `json:"idle"`
}

// Bounds are what an instance may have.
type Bounds struct {
	Memory uint64 `json:"memory"` // bytes
	Fuel   Budget `json:"fuel"`
}

// Inspect reads a module without running or compiling anything of it.
func Inspect(src Source) (*Report, error) {
	info, _, err := inspect(src)
	if err != nil {
		return nil, err
	}
	m := info.Manifest
	r := &Report{
		Kind: Kind(m.Kind), Name: m.Name, Vendor: m.Vendor, Version: m.Version, Description: m.Description, ABI: m.ABI.Min,
		Digest: info.Digest, Size: info.Size, Capabilities: m.Capabilities, Exports: info.Binary.Exports,
		MemoryMin: uint64(info.Binary.MemoryMin) << 16, MemoryAsked: m.Memory, StateSchema: m.State, Driver: m.Driver,
	}
	opt := engineOptions(r.Kind, m.Capabilities)
	r.Bounds.Memory, r.Bounds.Fuel.Item, r.Bounds.Fuel.Start, r.Bounds.Fuel.Idle = opt.Bounds(m)
	if m.Fuel != nil {
		r.FuelAsked = Budget{int64(m.Fuel.Item), int64(m.Fuel.Start), int64(m.Fuel.Idle)}
	}
	if m.ABI.Max != "" {
		r.ABI += " to " + m.ABI.Max
	}
	for _, i := range info.Binary.Imports {
		r.Imports = append(r.Imports, i.String())
	}
	for _, key := range slices.Sorted(maps.Keys(m.Config)) {
		s := m.Config[key]
		r.Settings = append(r.Settings, settingLine(key, &s))
	}
	file, err := readVectors(m)
	if err != nil {
		file = &vectors.File{}
	}
	r.Vectors = len(file.Vectors)
	events, wrong := readEvents("its events", m)
	if events != nil {
		r.Events = len(events.Cases)
	}
	_, notOurs := tradeOf(r.Kind)
	for _, err := range []error{notOurs, info.Check(opt), err, firstMistake(wrong)} {
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
		}
	}
	return r, nil
}

// settingLine is a setting in one line.
func settingLine(key string, s *engine.Setting) string {
	line := key + " (" + s.Type
	switch {
	case s.Required:
		line += ", required"
	case s.Default != nil:
		line += fmt.Sprintf(", default %v", s.Default)
	}
	if s.Min != nil {
		line += fmt.Sprintf(", at least %v", *s.Min)
	}
	if s.Max != nil {
		line += fmt.Sprintf(", at most %v", *s.Max)
	}
	if len(s.OneOf) > 0 {
		line += ", one of " + strings.Join(s.OneOf, ", ")
	}
	return line + "): " + s.Help
}

// UseOnce loads a decoder under a name, lets something be done with it and closes it: `zmesh decode`. config is a JSON object or empty. The
// plugin is granted nothing. cacheDir keeps it compiled for the next time; without one it is interpreted, which is quicker for once.
func UseOnce(ctx context.Context, src Source, config []byte, cacheDir string, use func(m *Manager, name string) error) error {
	spec := Spec{Name: "decoder", Source: src}
	if len(config) > 0 {
		if err := json.Unmarshal(config, &spec.Config); err != nil {
			return fmt.Errorf("the configuration is no JSON object: %w", err)
		}
	}
	m, err := NewManager(Options{Pool: 1, CacheDir: cacheDir, Interpret: cacheDir == ""})
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Load(ctx, spec); err != nil {
		return err
	}
	return use(m, spec.Name)
}

// DescribeOnce gives what a decoder says of itself, without granting it anything; see [UseOnce].
func DescribeOnce(ctx context.Context, src Source) (s Schema, err error) {
	err = UseOnce(ctx, src, nil, "", func(m *Manager, name string) error {
		s, err = m.Describe(name)
		return err
	})
	return s, err
}
