// Package build owns the step from a plugin's source folder to a module that a host loads: it reads the plugin.toml beside the
// source, compiles Go source to a WASI reactor, and appends the manifest as a custom section.
//
// The bytes are reproducible: the same source and the same version of Go give the same module on any machine, so a digest
// says which source a plugin was built from. Nothing of the folder's path or the time gets in.
//
// It needs the Go tool at run time, and knows nothing of running plugins. Other languages build their module with their own
// tools and use [Finish].
package build

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/script"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// Source is the file beside a plugin's source that says what it is.
const Source = "plugin.toml"

// description is the form of plugin.toml.
type description struct {
	Kind         string
	Name         string
	Vendor       string
	Version      string
	Description  string
	Memory       string // "16MiB"
	Capabilities []string
	State        string
	Vectors      string // of a decoder: a file, relative to plugin.toml
	Events       string // of the others: a file, relative to plugin.toml
	ABI          struct{ Min, Max string }
	Fuel         *struct{ Item, Start, Idle uint64 }
	Config       map[string]setting
	Driver       *driver
}

// driver is the table [driver]: see engine.Driver.
type driver struct {
	MTU        int
	Transports []string
	Broadcast  bool
	LinkBlock  int  `toml:"link_block"`
	PeerBlock  int  `toml:"peer_block"`
	HalfDuplex bool `toml:"half_duplex"`
	Turnaround int
	DutyCycle  float64 `toml:"duty_cycle"`
	BitRate    int     `toml:"bit_rate"`
}

type setting struct {
	Type     string
	Default  any
	Required bool
	Min, Max *float64
	OneOf    []string `toml:"one_of"`
	Help     string
}

// Manifest reads the plugin.toml of a folder, and the vectors or events that it names.
func Manifest(dir string) (*engine.Manifest, error) {
	file := filepath.Join(dir, Source)
	d, err := describe(dir)
	if err != nil {
		return nil, err
	}
	m := d.manifest()
	if m.Memory, err = size(d.Memory); err != nil {
		return nil, fmt.Errorf("%s: memory: %w", file, err)
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if d.Vectors != "" {
		if m.Kind != "decoder" {
			return nil, fmt.Errorf("%s: vectors are for decoders: a %s has events", file, m.Kind)
		}
		if m.Vectors, err = readVectors(filepath.Join(dir, d.Vectors)); err != nil {
			return nil, err
		}
	}
	if d.Events != "" {
		if m.Events, err = readEvents(filepath.Join(dir, d.Events), d.Kind); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Events is the file of events that a folder's plugin.toml names; empty: none.
func Events(dir string) (string, error) {
	d, err := describe(dir)
	if err != nil || d.Events == "" {
		return "", err
	}
	return filepath.Join(dir, d.Events), nil
}

// ErrNoPlugin says that a folder is no plugin's.
var ErrNoPlugin = errors.New("there is no " + Source + " in it, so it is no plugin's folder")

// describe reads the plugin.toml of a folder.
func describe(dir string) (*description, error) {
	file := filepath.Join(dir, Source)
	d := &description{}
	meta, err := toml.DecodeFile(file, d)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", dir, ErrNoPlugin)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("%s: unknown key %s", file, unknown[0])
	}
	return d, nil
}

func (d *description) manifest() *engine.Manifest {
	m := &engine.Manifest{
		Format: 1, Kind: d.Kind, Name: d.Name, Vendor: d.Vendor, Version: d.Version, Description: d.Description,
		ABI: engine.Range{Min: d.ABI.Min, Max: d.ABI.Max}, Capabilities: d.Capabilities, State: d.State,
	}
	if d.Fuel != nil {
		m.Fuel = &engine.Fuel{Item: d.Fuel.Item, Start: d.Fuel.Start, Idle: d.Fuel.Idle}
	}
	if d.Driver != nil {
		m.Driver = (*engine.Driver)(d.Driver)
	}
	for key, s := range d.Config {
		if m.Config == nil {
			m.Config = map[string]engine.Setting{}
		}
		m.Config[key] = engine.Setting(s)
	}
	return m
}

// size reads "16MiB", "512KiB" or a number of bytes; empty is 0.
func size(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	number, unit := s, uint64(1)
	for suffix, bytes := range map[string]uint64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = n, bytes
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q: want a number with KiB or MiB, like 16MiB", s)
	}
	return n * unit, nil
}

// readVectors checks a file of vectors and gives it without white space.
func readVectors(file string) (json.RawMessage, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read vectors: %w", err)
	}
	if _, err := vectors.Read(data); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b.Bytes(), nil
}

// readEvents checks a script of events and gives its text.
func readEvents(file, kind string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read events: %w", err)
	}
	_, err = script.Read(file, kind, data)
	return string(data), err
}

// Finish appends the manifest to a module that has none, and makes sure that a host would take the result.
func Finish(code []byte, m *engine.Manifest) ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	body := binary.AppendUvarint(nil, uint64(len(abi.ManifestSection)))
	body = append(append(body, abi.ManifestSection...), text...)
	code = binary.AppendUvarint(append(bytes.Clone(code), 0), uint64(len(body)))
	code = append(code, body...)
	info, err := engine.Read(code)
	if err != nil {
		return nil, err
	}
	return code, info.Check(engine.Options{Grants: m.Capabilities})
}

// ErrNoGo says that the author's Go tool is missing.
var ErrNoGo = errors.New("building a plugin takes the Go tool, and there is no go on the PATH: https://go.dev/dl")

// Go compiles the folder of a plugin in Go and gives the finished module.
func Go(ctx context.Context, dir string) ([]byte, error) {
	m, err := Manifest(dir)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "zmesh-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "plugin.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWASM=", "GOWORK=off")
	switch text, err := cmd.CombinedOutput(); {
	case errors.Is(err, exec.ErrNotFound):
		return nil, ErrNoGo
	case err != nil:
		return nil, fmt.Errorf("compile %s: %w\n%s", dir, err, bytes.TrimSpace(text))
	}
	code, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("compile %s: the Go tool wrote no module: its package is not main", dir)
	}
	if code, err = Finish(code, m); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return code, nil
}

// ErrName says that a plugin's folder and its plugin.toml disagree.
var ErrName = errors.New("the folder is not named like the plugin")

// To builds a folder into out/NAME.wasm, where NAME is the plugin's and must be the folder's: for what ships, which is found by it.
func To(ctx context.Context, dir, out string) (string, error) {
	m, err := Manifest(dir)
	if err != nil {
		return "", err
	}
	if m.Name != filepath.Base(dir) {
		return "", fmt.Errorf("%s: %w %q", dir, ErrName, m.Name)
	}
	code, err := Go(ctx, dir)
	if err != nil {
		return "", err
	}
	file := filepath.Join(out, m.Name+".wasm")
	return file, Write(file, code)
}

// Write writes a module. The file appears at once or not at all.
func Write(file string, code []byte) error {
	if err := os.WriteFile(file+".new", code, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
