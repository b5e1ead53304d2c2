package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Manifest is what a module says of itself, in the custom section abi.ManifestSection, as JSON. Fields that this version
// does not know are passed over: a newer SDK may write more.
type Manifest struct {
	Format       int                `json:"manifest"` // 1
	Kind         string             `json:"kind"`     // strategy | decoder | driver
	Name         string             `json:"name"`     // lower case letters, digits and -
	Vendor       string             `json:"vendor"`
	Version      string             `json:"version"` // of the plugin: 1.2.3
	Description  string             `json:"description,omitempty"`
	ABI          Range              `json:"abi"`
	Capabilities []string           `json:"capabilities,omitempty"` // what it asks for; the configuration grants
	Memory       uint64             `json:"memory,omitempty"`       // bytes that one instance needs at most; 0: the host's default
	Fuel         *Fuel              `json:"fuel,omitempty"`
	Config       map[string]Setting `json:"config,omitempty"`
	State        string             `json:"state,omitempty"`   // id of the schema of what the host keeps for it; empty: nothing
	Vectors      json.RawMessage    `json:"vectors,omitempty"` // of a decoder, see sdk/guest/vectors
	Events       string             `json:"events,omitempty"`  // of the others, see sdk/guest/script
	Driver       *Driver            `json:"driver,omitempty"`  // of a driver: what its links are like
}

// Range is which versions of the contract a module works with, as "major.minor". A host of the same major version and a
// later minor one works as well unless Max says otherwise.
type Range struct {
	Min string `json:"min"`
	Max string `json:"max,omitempty"`
}

// Fuel is what a module needs by its own account. It is read and shown; the budgets are the host's ([Options]).
type Fuel struct {
	Item  uint64 `json:"item,omitempty"`
	Start uint64 `json:"start,omitempty"`
	Idle  uint64 `json:"idle,omitempty"`
}

// Setting is one key of a plugin's configuration.
type Setting struct {
	Type     string   `json:"type"` // string | int | float | bool | duration
	Default  any      `json:"default,omitempty"`
	Required bool     `json:"required,omitempty"`
	Min      *float64 `json:"min,omitempty"` // of int, float, and duration in seconds
	Max      *float64 `json:"max,omitempty"`
	OneOf    []string `json:"one_of,omitempty"` // of string
	Help     string   `json:"help,omitempty"`
}

// ErrNoManifest says that a module has no manifest.
var ErrNoManifest = errors.New("the module has no " + abi.ManifestSection + " section: it is no Z-Mesh plugin, or it was not built with the SDK's build step")

// manifest reads the manifest of a module.
func (b *Binary) manifest() (*Manifest, error) {
	sections := b.custom[abi.ManifestSection]
	switch {
	case len(sections) == 0:
		return nil, ErrNoManifest
	case len(sections) > 1:
		return nil, fmt.Errorf("the module has %d %s sections, want one", len(sections), abi.ManifestSection)
	}
	m := &Manifest{}
	if err := json.Unmarshal(sections[0], m); err != nil {
		return nil, fmt.Errorf("the manifest cannot be read: %w", err)
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return m, nil
}

var (
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
	abiForm     = regexp.MustCompile(`^\d{1,4}\.\d{1,4}$`)
	settingForm = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)
)

// Check tells what is wrong with a manifest in itself, whatever the host.
func (m *Manifest) Check() error {
	switch {
	case m.Format != 1:
		return fmt.Errorf("its format is %d, this host reads 1", m.Format)
	case !strings.Contains(" strategy decoder driver ", " "+m.Kind+" ") || m.Kind == "":
		return fmt.Errorf("kind %q is none of strategy, decoder, driver", m.Kind)
	case !nameForm.MatchString(m.Name):
		return fmt.Errorf("name %q: want lower case letters, digits and -, beginning with a letter", m.Name)
	case !versionForm.MatchString(m.Version):
		return fmt.Errorf("version %q: want three numbers like 1.2.3", m.Version)
	case !abiForm.MatchString(m.ABI.Min) || m.ABI.Max != "" && !abiForm.MatchString(m.ABI.Max):
		return fmt.Errorf("abi %q to %q: want versions like %s", m.ABI.Min, m.ABI.Max, versionText(abi.Major, abi.Minor))
	}
	for _, c := range m.Capabilities {
		if !known(c) {
			return fmt.Errorf("capability %q: this host knows %s", c, strings.Join(Capabilities, ", "))
		}
	}
	if err := m.checkDriver(); err != nil {
		return err
	}
	return m.checkSettings()
}

func (m *Manifest) checkSettings() error {
	for key, s := range m.Config {
		switch {
		case !settingForm.MatchString(key):
			return fmt.Errorf("config key %q: want lower case words with _, joined by . where they nest", key)
		case !strings.Contains(" string int float bool duration ", " "+s.Type+" ") || s.Type == "":
			return fmt.Errorf("config key %s: type %q is none of string, int, float, bool, duration", key, s.Type)
		case len(s.OneOf) > 0 && s.Type != "string":
			return fmt.Errorf("config key %s: one_of is for strings", key)
		}
	}
	return nil
}

// fits holds a manifest against this host's version of the contract.
func (m *Manifest) fits() error {
	have := abi.Major<<16 | abi.Minor
	low, high := versionNumber(m.ABI.Min), versionNumber(m.ABI.Max)
	host := versionText(abi.Major, abi.Minor)
	switch {
	case low > have:
		return fmt.Errorf("the plugin needs version %s of the contract and this host has %s: the host is too old for it", m.ABI.Min, host)
	case low>>16 < abi.Major || m.ABI.Max != "" && high < have:
		return fmt.Errorf("the plugin is for versions %s to %s of the contract and this host has %s: the plugin is too old for it", m.ABI.Min, m.ABI.Max, host)
	}
	return nil
}

func versionText(major, minor int) string { return strconv.Itoa(major) + "." + strconv.Itoa(minor) }

// versionNumber packs "major.minor", which abiForm has checked.
func versionNumber(s string) int {
	major, minor, _ := strings.Cut(s, ".")
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(minor)
	return a<<16 | b
}
