package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// The capabilities of this version, by the names that a configuration grants them with.
const (
	CapClock  = "clock"  // real time; without it a clock that only counts its readings
	CapRandom = "random" // real randomness; without it a fixed sequence
	CapLog    = "log"    // lines in the host's log, within a quota

	CapMetrics = "metrics" // counters and gauges among the host's, within a number
	CapState   = "state"   // keys and values that outlive an instance, within a number of bytes
)

// Capabilities are all that this host knows.
var Capabilities = []string{CapClock, CapLog, CapMetrics, CapRandom, CapState}

func known(capability string) bool { return slices.Contains(Capabilities, capability) }

// hostFunctions are those of the import module, with the capability that each needs.
var hostFunctions = map[string]string{
	abi.ImportFeatures: "", abi.ImportLog: CapLog, abi.ImportCount: CapMetrics, abi.ImportGauge: CapMetrics,
	abi.ImportStateGet: CapState, abi.ImportStateSet: CapState,
}

// CheckGrants tells which granted capabilities this host does not know.
func CheckGrants(grants []string) error {
	for _, g := range grants {
		if !known(g) {
			return fmt.Errorf("capability %q cannot be granted: this host knows %s", g, strings.Join(Capabilities, ", "))
		}
	}
	return nil
}

// checkCapabilities holds what a manifest asks for against what is granted.
func checkCapabilities(m *Manifest, grants []string) error {
	for _, c := range m.Capabilities {
		if !slices.Contains(grants, c) {
			return fmt.Errorf("the plugin asks for the capability %q, which is not granted: add it to its grant list, or do without the plugin", c)
		}
	}
	return nil
}

// checkImports refuses what the host does not offer, before the linker would in its own words.
func checkImports(b *Binary, grants []string) error {
	versioned, refills := false, false
	for _, i := range b.Imports {
		if i.Kind != 0 {
			return fmt.Errorf("the module imports %s, which is no function: memory, tables and globals are its own", i)
		}
		major, ours := strings.CutPrefix(i.Module, abi.ImportPrefix)
		var err error
		refills = refills || i.String() == refillName
		switch {
		case ours:
			versioned = true
			err = checkHostImport(i, major, grants)
		case i.Module == wasiModule:
			err = checkWASI(i)
		default:
			err = fmt.Errorf("the module imports %s: this host offers only %s and a closed %s", i, abi.ImportModule, wasiModule)
		}
		if err != nil {
			return err
		}
	}
	if !versioned {
		return fmt.Errorf("the module imports nothing from %s, so it does not say for which version of the contract it is: import at least %s",
			abi.ImportModule, abi.ImportFeatures)
	}
	if !refills {
		return fmt.Errorf("the module does not import %s, which every module does: it is where it gets its fuel", refillName)
	}
	return nil
}

func checkHostImport(i Import, major string, grants []string) error {
	n, err := strconv.Atoi(major)
	switch {
	case err != nil:
		return fmt.Errorf("the module imports %s: %q is no version of the contract", i, major)
	case n > abi.Major:
		return fmt.Errorf("the module is for version %d of the contract and this host has %d: the host is too old for it", n, abi.Major)
	case n < abi.Major:
		return fmt.Errorf("the module is for version %d of the contract and this host has %d: the plugin is too old for it", n, abi.Major)
	}
	capability, ok := hostFunctions[i.Name]
	switch {
	case !ok:
		return fmt.Errorf("the module imports %s, which this host (contract %s) does not have", i, versionText(abi.Major, abi.Minor))
	case capability != "" && !slices.Contains(grants, capability):
		return fmt.Errorf("the module imports %s, which needs the capability %q: it is not granted", i, capability)
	}
	return nil
}
