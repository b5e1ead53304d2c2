package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Found is a record that a decoder gave.
type Found struct {
	Name      string
	Unit      string
	Channel   int    // -1: none
	Statistic string // one of Statistics
	Time      int64  // ms from the receipt; from abi.AbsoluteTime on Unix ms
	Value     any    // float64, string, bool, []byte; nil: not available
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
//
// What it understands of a vendor's shape (Vector.Expect), each leaf by its key in the table:
//
//	data, values   an object of fields, nested as deep as it likes
//	units          the vendor's units of those fields
//	records        a list of {channel, type, name, value}, or as File.Entries says
//	resolved       a list of resolved SenML records (RFC 8428, 4.6); these need no table: they are ours already
//	error          part of the error, perhaps translated by the table's "error"
//	note           for people
//	any other      an object of fields, their keys begin with its name and a dot
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

// CheckPayload holds what came of encoding a vector's records against it.
func (f *File) CheckPayload(v *Vector, payload []byte, failures []string) error {
	c := &check{file: f, vector: v}
	c.texts("error", v.Errors, failures)
	if got := hex.EncodeToString(payload); len(v.Errors) == 0 && got != strings.ToLower(v.Payload) {
		c.fail("encoded as %s, want %s", got, v.Payload)
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
		case w.Statistic != g.Statistic:
			c.fail("%s is a %q, want %q", g.Name, g.Statistic, w.Statistic)
		case w.Time != nil && *w.Time != g.Time:
			c.fail("%s has the time %d ms, want %d", g.Name, g.Time, *w.Time)
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
		case "data", "values":
			c.object("", raw)
		case "units":
			c.units(raw)
		case "records":
			var list []map[string]any
			c.unmarshal(key, raw, &list)
			for _, r := range list {
				c.entry(r)
			}
		case "resolved":
			c.resolved(raw)
		case "error":
			var text any
			c.unmarshal(key, raw, &text)
			f := c.file.Map["error"]
			wantErrors = append(wantErrors, fmt.Sprint(f.translate(text)))
		case "note":
		default:
			if !bytes.HasPrefix(raw, []byte("{")) {
				c.fail("expect.%s is not understood, and nothing may be left out", key)
				continue
			}
			c.object(key+".", raw)
		}
	}
	c.rest()
	return wantErrors
}

// object goes through one of the vendor's objects.
func (c *check) object(above string, raw json.RawMessage) {
	var data map[string]any
	c.unmarshal(strings.TrimSuffix(above, "."), raw, &data)
	c.fields(above, data, nil)
}

// units compares the vendor's units with those of the table.
func (c *check) units(raw json.RawMessage) {
	var units map[string]string
	c.unmarshal("units", raw, &units)
	for key, unit := range units {
		if f, ok := c.file.Map[key]; !ok || f.Theirs != unit {
			c.fail("%s is in %q, and the table says %q", key, unit, f.Theirs)
		}
	}
}

func (c *check) unmarshal(key string, raw json.RawMessage, to any) {
	if err := json.Unmarshal(raw, to); err != nil {
		c.fail("expect.%s: %v", key, err)
	}
}

// fields goes through a vendor's object down to its leaves.
func (c *check) fields(above string, data map[string]any, channel *int) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		want := data[key]
		key = above + key
		if deeper, ok := want.(map[string]any); ok {
			c.fields(key+".", deeper, channel)
			continue
		}
		c.leaf(key, want, channel)
	}
}

// entry goes through one of the vendor's list.
func (c *check) entry(r map[string]any) {
	if c.file.Entries == nil {
		c.record(r)
		return
	}
	var parts []string
	known := 0
	for _, field := range c.file.Entries.Key {
		part := ""
		if value, ok := r[field]; ok {
			part = fmt.Sprint(value)
			known++
		}
		parts = append(parts, part)
	}
	key := strings.Join(parts, " | ")
	value, ok := r[c.file.Entries.Value]
	if !ok || known+1 != len(r) {
		c.fail("%s: an entry has a field that entries does not name, or no %s, and nothing may be left out", key, c.file.Entries.Value)
		return
	}
	c.leaf(key, value, nil)
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
	for _, none := range f.Absent {
		if none == want {
			return
		}
	}
	if channel == nil {
		channel = f.Channel
	}
	for i, g := range c.left {
		if g.Name != f.Record && !slices.Contains(f.Or, g.Name) || g.Statistic != f.Statistic || channel != nil && *channel != g.Channel {
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
	if text, ok := want.(string); ok && f.Form != "" {
		want = f.parse(text)
	}
	if n, ok := want.(float64); ok && f.Factor != 0 {
		return n * f.Factor
	}
	return want
}

// parse reads a vendor's text; what is not of the form stays as it is, and is then found to differ.
func (f *Field) parse(text string) any {
	switch f.Form {
	case "number":
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	case "hex":
		if n, err := strconv.ParseUint(text, 16, 53); err == nil {
			return float64(n)
		}
	case "bytes":
		return map[string]any{"hex": strings.ToLower(strings.ReplaceAll(text, " ", ""))}
	}
	return text
}

// resolved compares with resolved SenML records, in order. A field of them that is no value, unit or time of ours is a record of its own,
// named after the record and the field.
func (c *check) resolved(raw json.RawMessage) {
	var list []map[string]any
	c.unmarshal("resolved", raw, &list)
	for _, want := range list {
		name := fmt.Sprint(want["n"])
		for _, field := range slices.Sorted(maps.Keys(want)) {
			value := want[field]
			switch field {
			case "n", "u", "t":
			case "v", "vs", "vb":
				c.next(name, "", value, want)
			case "s":
				c.next(name, "sum", value, want)
			default:
				c.next(name+"."+field, "", value, map[string]any{"t": want["t"]})
			}
		}
	}
}

// next takes the first of what is left with that name and statistic: its value, unit and time must be the record's.
func (c *check) next(name, statistic string, value any, record map[string]any) {
	at := slices.IndexFunc(c.left, func(g Found) bool { return g.Name == name && g.Statistic == statistic })
	if at < 0 {
		c.fail("no record %s %s for %v", name, statistic, value)
		return
	}
	g := c.left[at]
	c.left = slices.Delete(c.left, at, at+1)
	unit, _ := record["u"].(string)
	seconds, _ := record["t"].(float64)
	ms := g.Time
	if ms < abi.AbsoluteTime {
		ms += c.vector.Received
	}
	switch {
	case g.Unit != unit:
		c.fail("%s has the unit %q, want %q", name, g.Unit, unit)
	case ms != int64(math.Round(seconds*1000)):
		c.fail("%s is of %d ms, want %v s", name, ms, seconds)
	case !same(g.Value, value):
		c.fail("%s is %v, want %v", name, g.Value, value)
	}
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
	if _, ok := want.(map[string]any); ok { // not comparable
		return false
	}
	return got == want
}
