package plugin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// AnyChannel is the channel of a described quantity that has channels.
const AnyChannel = abi.AnyChannel

// Field is a quantity that a decoder describes.
type Field struct {
	Name      string    // empty: any
	Unit      string    // empty: none; with the empty name: any
	Type      ValueType // NotAvailable: any
	Channel   int32     // NoChannel, AnyChannel, or this one
	Measure   Measure
	Statistic Statistic
	Decoded   bool // Decode gives it
	Encoded   bool // Encode takes it
	Help      string
}

// Schema is what a decoder says that there can be in its payloads. nil: it does not describe itself, and everything can.
type Schema []Field

// Describe gives what a decoder said of itself when it came up.
func (m *Manager) Describe(name string) (Schema, error) {
	p, err := m.find(name)
	if err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	pool, err := p.enterPool()
	if err != nil {
		return nil, fmt.Errorf("describe %q: %w", name, err)
	}
	defer pool.users.Done()
	if pool.v.schema == nil {
		return nil, fmt.Errorf("describe %q: %w", name, ErrNoDescribe)
	}
	return pool.v.schema, nil
}

// describe asks an instance for its schema; nil if it has none.
func describe(i *engine.Instance) (Schema, error) {
	if i.Features()&abi.FeatureDescribe == 0 {
		return nil, nil
	}
	if err := writeItem(i.Input(), abi.AppendDescribe(nil), "question"); err != nil {
		return nil, err
	}
	list, _, err := callDecoder(i, abi.TagField)
	if err != nil {
		return nil, err
	}
	s := Schema{}
	for k := range list {
		if list[k].Tag != abi.TagField {
			return nil, errors.New(note(list[k].Value))
		}
		f, why := field(&list[k])
		if why != "" {
			return nil, fmt.Errorf("number %d (%s): %s", k+1, quote(f.Name), why)
		}
		s = append(s, f)
	}
	return s, nil
}

// field checks one described quantity by the rules for records.
func field(e *abi.Record) (f Field, why string) {
	f = Field{
		Name: string(e.Name), Unit: string(e.Unit), Type: ValueType(e.Type), Channel: e.Channel, Measure: Measure(e.Measure),
		Statistic: Statistic(e.Statistic), Decoded: e.Bits&abi.FieldDecoded != 0, Encoded: e.Bits&abi.FieldEncoded != 0, Help: note(e.Value),
	}
	switch {
	case f.Name != "" && !nameForm.MatchString(f.Name):
		return f, whyName
	case f.Type > Bytes || f.Measure > Occurrence || f.Statistic > Median || f.Channel < AnyChannel:
		return f, "its type, measure, statistic or channel cannot be"
	case !f.Decoded && !f.Encoded || e.Bits > abi.FieldDecoded|abi.FieldEncoded:
		return f, "it is neither decoded nor encoded"
	case !utf8.Valid(e.Value):
		return f, "its help is not UTF-8"
	}
	if why := checkUnit(f.Name, f.Unit); why != "" && (f.Type == Number || f.Unit != "") {
		return f, why
	}
	return f, ""
}

// covers tells whether a record is of a quantity that is described as decoded, or as encoded. Without a schema all are.
func (s Schema) covers(r *Record, use uint64) bool {
	if s == nil {
		return true
	}
	for i := range s {
		if f := &s[i]; f.fits(r) && (use == abi.FieldDecoded && f.Decoded || use == abi.FieldEncoded && f.Encoded) {
			return true
		}
	}
	return false
}

func (f *Field) fits(r *Record) bool {
	name := f.Name == r.Name || f.Name == ""
	unit := f.Unit == r.Unit || f.Name == "" && f.Unit == "" || r.Type != Number && r.Unit == ""
	kind := f.Type == NotAvailable || r.Type == NotAvailable || f.Type == r.Type
	channel := f.Channel == r.Channel || f.Channel == AnyChannel
	return name && unit && kind && channel
}

// outside warns of records that the decoder does not describe. They stand: a mistake in the schema loses nothing.
func (s Schema) outside(d *Decoded) {
	for i := range d.Records {
		if r := &d.Records[i]; !s.covers(r, abi.FieldDecoded) {
			d.Warnings = append(d.Warnings, "the decoder gives "+r.what()+", which it does not describe")
		}
	}
}

// CanEncode tells whether a quantity is described as encoded.
func (s Schema) CanEncode() bool {
	return slices.ContainsFunc(s, func(f Field) bool { return f.Encoded })
}

// encodes lists what can be encoded, for errors.
func (s Schema) encodes() string {
	var list []string
	for i := range s {
		if s[i].Encoded {
			list = append(list, s[i].String())
		}
	}
	const most = 8 // in one sentence
	switch {
	case len(list) == 0:
		return "nothing"
	case len(list) > most:
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more (zmesh decode --describe lists them)", len(list)-most)
	}
	return strings.Join(list, ", ")
}

// String gives "temperature (number, Cel)".
func (f Field) String() string {
	name := f.Name
	if name == "" {
		name = "any name"
	}
	r := Record{Name: name, Unit: f.Unit, Type: f.Type, Channel: f.Channel}
	return r.what()
}

// typeNames are the types of values for people.
var typeNames = [...]string{"any", "number", "text", "bool", "bytes"}

// String names the type; "any" is the type of what is not available.
func (t ValueType) String() string { return typeNames[min(int(t), len(typeNames)-1)] }

// what names a record's quantity for people: temperature on channel 3 (number, Cel).
func (r *Record) what() string {
	s := r.Name
	switch {
	case r.Channel == AnyChannel:
		s += " on a channel"
	case r.Channel != NoChannel:
		s += fmt.Sprintf(" on channel %d", r.Channel)
	}
	s += " (" + r.Type.String()
	if r.Unit != "" {
		s += ", " + r.Unit
	}
	return s + ")"
}
