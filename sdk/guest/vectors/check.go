package vectors

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Found is a record that a decoder gave.
type Found struct {
	Name    string
	Unit    string
	Channel int // -1: none
	Value   any // float64, string, bool, []byte; nil: not available
}

// Result is all that a decoder gave for a payload.
type Result struct {
	Records  []Found
	Warnings []string
	Errors   []string
}

// tolerance of numbers, relative: what a vendor computes in another order differs in the last bits.
const tolerance = 1e-9

// Check holds a result against a vector. It gives all differences, joined.
func (f *File) Check(v *Vector, got Result) error {
	c := &check{file: f, vector: v, left: append([]Found(nil), got.Records...)}
	wantErrors := v.Errors
	if v.Records != nil {
		c.exact(v.Records, got.Records)
	} else if v.Expect != nil {
		wantErrors = append(c.vendor(), wantErrors...)
	}
	c.texts("error", wantErrors, got.Errors)
	if v.Warnings != nil {
		c.texts("warning", v.Warnings, got.Warnings)
	}
	return errors.Join(c.wrong...)
}

type check struct {
	file   *File
	vector *Vector
	left   []Found // not yet accounted for
	wrong  []error
}

func (c *check) fail(format string, a ...any) {
	c.wrong = append(c.wrong, fmt.Errorf("%s: %s", c.vector.ID, fmt.Sprintf(format, a...)))
}

// exact compares with records in our own shape.
func (c *check) exact(want []Expected, got []Found) {
	if len(want) != len(got) {
		c.fail("%d records, want %d: %v", len(got), len(want), got)
		return
	}
	for i, w := range want {
		g := got[i]
		switch {
		case w.Name != g.Name:
			c.fail("record %d is %s, want %s", i, g.Name, w.Name)
		case w.Unit != g.Unit:
			c.fail("%s has the unit %q, want %q", g.Name, g.Unit, w.Unit)
		case w.Channel != nil && *w.Channel != g.Channel:
			c.fail("%s has the channel %d, want %d", g.Name, g.Channel, *w.Channel)
		case !same(g.Value, w.Value):
			c.fail("%s is %v, want %v", g.Name, g.Value, w.Value)
		}
	}
}

// vendor compares with the vendor's shape. It gives the errors that are expected.
func (c *check) vendor() (wantErrors []string) {
	var shape map[string]json.RawMessage
	if err := json.Unmarshal(c.vector.Expect, &shape); err != nil {
		c.fail("expect: %v", err)
	}
	for key, raw := range shape {
		switch key {
		case "data":
			var data map[string]any
			c.unmarshal(key, raw, &data)
			c.fields("", data, nil)
		case "records":
			var list []map[string]any
			c.unmarshal(key, raw, &list)
			for _, r := range list {
				c.record(r)
			}
		case "error":
			var text string
			c.unmarshal(key, raw, &text)
			wantErrors = append(wantErrors, text)
		default:
			c.fail("expect.%s is not understood, and nothing may be left out", key)
		}
	}
	c.rest()
	return wantErrors
}

func (c *check) unmarshal(key string, raw json.RawMessage, to any) {
	if err := json.Unmarshal(raw, to); err != nil {
		c.fail("expect.%s: %v", key, err)
	}
}

// fields goes through a vendor's object down to its leaves.
func (c *check) fields(above string, data map[string]any, channel *int) {
	for key, want := range data {
		key = above + key
		if deeper, ok := want.(map[string]any); ok {
			c.fields(key+".", deeper, channel)
			continue
		}
		c.leaf(key, want, channel)
	}
}

// record goes through a vendor's {channel, type, name, value}.
func (c *check) record(r map[string]any) {
	name, _ := r["name"].(string)
	var channel *int
	for key, value := range r {
		n, isNumber := value.(float64)
		switch {
		case key == "name":
		case key == "channel" && isNumber:
			at := int(n)
			channel = &at
		case key == "type" && isNumber:
			c.typed(name, int(n))
		case key != "value":
			c.fail("%s.%s is not understood, and nothing may be left out", name, key)
		}
	}
	if parts, ok := r["value"].(map[string]any); ok {
		c.fields(name+".", parts, channel)
		return
	}
	c.leaf(name, r["value"], channel)
}

// typed compares the vendor's number of a field with the one in the table.
func (c *check) typed(name string, number int) {
	for key, f := range c.file.Map {
		if key == name || strings.HasPrefix(key, name+".") {
			if f.Type == nil || *f.Type != number {
				c.fail("%s has the type %d, and the table says otherwise", key, number)
			}
		}
	}
}

// leaf finds the record of a vendor's field and compares it.
func (c *check) leaf(key string, want any, channel *int) {
	f, ok := c.file.Map[key]
	if !ok {
		c.fail("the vendor's field %s is not in the table", key)
		return
	}
	if channel == nil {
		channel = f.Channel
	}
	for i, g := range c.left {
		if g.Name != f.Record || channel != nil && *channel != g.Channel {
			continue
		}
		c.left = append(c.left[:i], c.left[i+1:]...)
		switch ours := f.translate(want); {
		case g.Unit != f.Unit:
			c.fail("%s has the unit %q, want %q", g.Name, g.Unit, f.Unit)
		case !same(g.Value, ours):
			c.fail("%s is %v, want %v (the vendor's %s = %v)", g.Name, g.Value, ours, key, want)
		}
		return
	}
	c.fail("no record %s for the vendor's %s = %v", f.Record, key, want)
}

// translate gives our value for a vendor's.
func (f *Field) translate(want any) any {
	if ours, ok := f.Values[fmt.Sprint(want)]; ok {
		return ours
	}
	if n, ok := want.(float64); ok && f.Factor != 0 {
		return n * f.Factor
	}
	return want
}

// rest complains about records that nothing expects.
func (c *check) rest() {
	for _, g := range c.left {
		known := false
		for _, name := range c.vector.Also {
			known = known || name == g.Name
		}
		if !known {
			c.fail("nothing expects the record %s = %v", g.Name, g.Value)
		}
	}
}

// texts compares errors or warnings: as many, each with its part.
func (c *check) texts(what string, want, got []string) {
	if len(want) != len(got) {
		c.fail("%d %ss %q, want %d %q", len(got), what, got, len(want), want)
		return
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			c.fail("%s %q, want %q in it", what, got[i], want[i])
		}
	}
}

// same compares a value found with one from JSON.
func same(got, want any) bool {
	switch g := got.(type) {
	case float64:
		w, ok := want.(float64)
		return ok && (g == w || math.Abs(g-w) <= tolerance*max(math.Abs(g), math.Abs(w)))
	case []byte:
		w, ok := want.(map[string]any)
		return ok && w["hex"] == hex.EncodeToString(g)
	}
	return got == want
}
