package plugin

import (
	"slices"

	"github.com/zmesh/zmesh/faces/driver"
)

// Checked is what is known of a plugin before it is brought up.
type Checked struct {
	Kind   Kind
	Driver *driver.Traits // of a driver: what its links are like
}

// Check reads a module and holds it against what it would be loaded with, without compiling or running anything of it: its manifest, version
// of the contract, imports, capabilities, memory, settings, vectors and events. It gives all that [Manager.Load] would refuse; mistakes in
// settings are each a *[ConfigError]. What only shows when it is compiled or runs, it cannot tell. Checked is nil if the module cannot be read.
func Check(spec Spec) (c *Checked, mistakes []error) {
	info, _, err := inspect(spec.Source)
	if err != nil {
		return nil, []error{err}
	}
	m := info.Manifest
	c = &Checked{Kind: Kind(m.Kind)}
	if m.Driver != nil {
		t := traitsOf(m)
		c.Driver = &t
	}
	opt := engineOptions(c.Kind, spec.Grants)
	spec.Limits.options(&opt)
	_, config := encodeConfig(m, spec.Config)
	mistakes = append(each(config), info.Check(opt), (&version{}).own(m))
	_, notOurs := tradeOf(c.Kind)
	mistakes = append(mistakes, notOurs)
	return c, slices.DeleteFunc(mistakes, func(err error) bool { return err == nil })
}

// each takes joined errors apart.
func each(err error) []error {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		return list.Unwrap()
	}
	return []error{err}
}
