// Command senml decodes and encodes Sensor Measurement Lists (RFC 8428), as JSON and as CBOR: packs of records, resolved, so that each
// stands for itself (section 4.6).
//
// Both forms are read by hand, record by record, into the same fields: what the guest needs of them is little, and a module without
// encoding/json and reflection is half as large. What stands before a mistake counts.
package main

import (
	"math"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeDecoder(&senml{}) }

func main() {}

type senml struct{ cbor bool }

// Configure implements [guest.Decoder].
func (s *senml) Configure(v guest.Values) error {
	s.cbor = v.Text("format", "json") == "cbor"
	return nil
}

// kind is what a value is.
type kind byte

const (
	null kind = iota
	number
	text
	boolean
	data   // bytes; in JSON a text in base64url
	nested // an array or object, passed over
)

// value is a value of a record's field.
type value struct {
	kind kind
	num  float64
	text string // of data its bytes, if they came as such
	is   bool   // of a text of JSON: where it is data, it is base64url
}

// field is a field of a record. Labels of CBOR are those of JSON here.
type field struct {
	label string
	value value
}

// Decode implements [guest.Decoder]. An array of JSON begins with a bracket, perhaps after white space, and one of CBOR with 80 to 9F: they
// cannot be taken for each other.
func (*senml) Decode(p *guest.Payload, out *guest.Records) {
	r := resolver{out: out}
	read := readJSON
	if len(p.Bytes) > 0 && p.Bytes[0] >= 0x80 {
		read = readCBOR
	}
	size, why := read(p.Bytes, r.record)
	if why != "" {
		out.Fail(why)
	}
	out.Consumed(size)
}

// resolver carries the base fields from record to record (section 4.1).
type resolver struct {
	out              *guest.Records
	name, unit       string
	time, value, sum float64
	records          int
	unknown          bool // it was warned of
}

// version is the highest that this decoder knows (section 4.4).
const version = 10

// one is a record while its fields are read.
type one struct {
	name, unit, link string
	hasUnit, baseSum bool
	base             bool // it has a base field
	value, sum, time value
	update           value
	values           int
}

// record resolves a record.
func (r *resolver) record(fields []field) {
	r.records++
	var o one
	for i := range fields {
		if why := r.field(&o, &fields[i]); why != "" {
			r.out.Fail("record " + decimal(r.records) + ": " + why)
			return
		}
	}
	r.emit(&o)
}

// field takes one field in. why says what is wrong with it.
func (r *resolver) field(o *one, f *field) (why string) {
	v := &f.value
	want, ok := labels[f.label]
	switch {
	case !ok && len(f.label) > 0 && f.label[len(f.label)-1] == '_':
		return "it has the field " + f.label + ", which says that whoever does not know it must not go on"
	case !ok:
		if !r.unknown {
			r.unknown = true
			r.out.Warn("field " + f.label + " is not known and passed over")
		}
		return ""
	case want != v.kind && (want != data || v.kind != text || !v.is):
		return "its field " + f.label + " is of the wrong type"
	}
	switch f.label {
	case "bn":
		r.name, o.base = v.text, true
	case "bt":
		r.time, o.base = v.num, true
	case "bu":
		r.unit, o.base = v.text, true
	case "bv":
		r.value, o.base = v.num, true
	case "bs":
		r.sum, o.base, o.baseSum = v.num, true, true
	case "bver":
		o.base = true
		if v.num > version {
			return "it is of version " + decimal(int(min(v.num, 1e9))) + " of SenML, and this decoder knows 10"
		}
	case "n":
		o.name = v.text
	case "u":
		o.unit, o.hasUnit = v.text, true
	case "v", "vs", "vb", "vd":
		o.value = *v
		o.value.kind = want
		o.values++
	case "s":
		o.sum = *v
	case "t":
		o.time = *v
	case "ut":
		o.update = *v
	case "l":
		o.link = v.text
	}
	return ""
}

// labels are the fields of a record and what they are (section 4.3). l, a link, is not among them and stands in an example.
var labels = map[string]kind{
	"bn": text, "bt": number, "bu": text, "bv": number, "bs": number, "bver": number,
	"n": text, "u": text, "v": number, "vs": text, "vb": boolean, "vd": data, "s": number, "t": number, "ut": number, "l": text,
}

// emit adds the resolved values of a record: its value, its sum, and what else it says, named after it.
func (r *resolver) emit(o *one) {
	name, unit := r.name+o.name, r.unit
	if o.hasUnit {
		unit = o.unit
	}
	hasSum := o.sum.kind == number || o.baseSum
	fail := func(why string) { r.out.Fail("record " + decimal(r.records) + ": " + why) }
	ms := math.Round((r.time + o.time.num) * 1000)
	switch {
	case o.values > 1:
		fail("it has more than one value")
		return
	case o.values == 0 && !hasSum && o.base && o.name == "":
		return // only for the records that follow
	case o.values == 0 && !hasSum:
		fail("it has neither a value nor a sum")
		return
	case name == "":
		fail("it has no name")
		return
	case !(math.Abs(ms) < 1<<53):
		fail("its time cannot be")
		return
	}
	add := func(v guest.Value) { r.out.Add(v.At(int64(ms))) }
	switch o.value.kind {
	case number:
		add(guest.Number(name, r.value+o.value.num, unit))
	case text:
		add(withUnit(guest.Text(name, o.value.text), unit))
	case boolean:
		add(withUnit(guest.Bool(name, o.value.is), unit))
	case data:
		b, ok := o.value.text, true
		if o.value.is { // base64url
			b, ok = unbase64(b)
		}
		if !ok {
			fail("its data is no base64url")
			return
		}
		add(withUnit(guest.Bytes(name, []byte(b)), unit))
	}
	if hasSum {
		add(guest.Number(name, r.sum+o.sum.num, unit).Of(abi.Sum))
	}
	if o.update.kind == number {
		add(guest.Number(name+".ut", o.update.num, "s"))
	}
	if o.link != "" {
		add(guest.Text(name+".l", o.link))
	}
}

func withUnit(v guest.Value, unit string) guest.Value { v.Unit = unit; return v }

// Describe implements [guest.Describer]: names are the device's own.
func (*senml) Describe(s *guest.Schema) {
	s.Both(guest.NotAvailable("", ""), "whatever the pack says; statistic sum for sums, NAME.ut for the update time, NAME.l for the link of a record")
}

func decimal(n int) string {
	s := ""
	for ; n >= 10; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return string(rune('0'+n)) + s
}
