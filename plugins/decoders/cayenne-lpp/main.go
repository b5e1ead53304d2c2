// Command cayenne-lpp decodes and encodes Cayenne Low Power Payload: a row of channel, type and value, big-endian. It knows the original types
// and the extended ones that are in wide use; the table below is the whole format.
//
// A type that is not in the table has an unknown length, so decoding ends there with an error, and what stood before it counts.
package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeDecoder(cayenne{}) }

func main() {}

type cayenne struct{}

// Configure implements [guest.Decoder]. There is nothing to set.
func (cayenne) Configure(guest.Values) error { return nil }

// part is one number of a type: its bytes, and how it is scaled: raw × times / steps. Dividing gives the nearest number where a
// product with a fraction does not.
type part struct {
	name         string
	unit         string
	size         int
	signed       bool
	times, steps float64
}

// kind is a type of the format: one number, several, or a switch.
type kind struct {
	code  byte
	flag  bool // the only part is 0 or 1
	parts []part
}

const (
	gravity = 9.80665 // m/s² in a g, which SenML has no unit for
	turn    = 360     // degrees: SenML has a rate (1/s) and no degrees a second
)

func one(name, unit string, size int, signed bool, steps float64) []part {
	return []part{{name, unit, size, signed, 1, steps}}
}

func three(name, unit string, times, steps float64) []part {
	return []part{
		{name + "_x", unit, 2, true, times, steps},
		{name + "_y", unit, 2, true, times, steps},
		{name + "_z", unit, 2, true, times, steps},
	}
}

var kinds = []kind{
	{0, false, one("digital_input", "", 1, false, 1)},
	{1, false, one("digital_output", "", 1, false, 1)},
	{2, false, one("analog_input", "", 2, true, 100)},
	{3, false, one("analog_output", "", 2, true, 100)},
	{100, false, one("generic", "", 4, false, 1)},
	{101, false, one("illuminance", "lx", 2, false, 1)},
	{102, true, one("presence", "", 1, false, 1)},
	{103, false, one("temperature", "Cel", 2, true, 10)},
	{104, false, one("humidity", "%RH", 1, false, 2)},
	{113, false, three("acceleration", "m/s2", gravity, 1000)},
	{115, false, one("pressure", "hPa", 2, false, 10)},
	{116, false, one("voltage", "V", 2, false, 100)},
	{117, false, one("current", "A", 2, false, 1000)},
	{118, false, one("frequency", "Hz", 4, false, 1)},
	{120, false, one("percentage", "/100", 1, false, 1)},
	{121, false, one("altitude", "m", 2, true, 1)},
	{125, false, one("concentration", "ppm", 2, false, 1)},
	{128, false, one("power", "W", 2, false, 1)},
	{130, false, one("distance", "m", 4, false, 1000)},
	{131, false, one("energy", "kWh", 4, false, 1000)},
	{132, false, one("direction", "deg", 2, false, 1)},
	{133, false, one("time", "s", 4, false, 1)},
	{134, false, three("rotation", "1/s", 1, 100*turn)},
	{135, false, []part{
		{"colour_red", "", 1, false, 1, 1},
		{"colour_green", "", 1, false, 1, 1},
		{"colour_blue", "", 1, false, 1, 1},
	}},
	{136, false, []part{
		{"latitude", "lat", 3, true, 1, 10000},
		{"longitude", "lon", 3, true, 1, 10000},
		{"altitude", "m", 3, true, 1, 100},
	}},
	{142, true, one("switch", "", 1, false, 1)},
}

// size is how many bytes follow the type.
func (k *kind) size() (n int) {
	for i := range k.parts {
		n += k.parts[i].size
	}
	return n
}

// Decode implements [guest.Decoder].
func (cayenne) Decode(p *guest.Payload, out *guest.Records) {
	b := p.Bytes
	for len(b) > 0 {
		out.Consumed(len(p.Bytes) - len(b))
		if len(b) < 2 {
			out.Fail("truncated: a channel without a type at the end")
			return
		}
		k := find(b[1])
		if k == nil {
			out.Fail("unknown type " + decimal(b[1]) + " on channel " + decimal(b[0]))
			return
		}
		size := 2 + k.size()
		if len(b) < size {
			out.Fail("truncated: type " + decimal(b[1]) + " on channel " + decimal(b[0]) + " is cut off")
			return
		}
		k.read(int(b[0]), b[2:size], out)
		b = b[size:]
	}
	out.Consumed(len(p.Bytes))
}

func find(code byte) *kind {
	for i := range kinds {
		if kinds[i].code == code {
			return &kinds[i]
		}
	}
	return nil
}

// read adds the values of a type.
func (k *kind) read(channel int, b []byte, out *guest.Records) {
	if k.flag {
		if b[0] > 1 {
			out.Warn(k.parts[0].name + " is " + decimal(b[0]) + ", want 0 or 1: taken as 1")
		}
		out.Add(guest.Bool(k.parts[0].name, b[0] != 0).On(channel))
		return
	}
	for i := range k.parts {
		p := &k.parts[i]
		v := guest.Number(p.name, p.number(b)*p.times/p.steps, p.unit).On(channel)
		if k.code <= 1 {
			v = v.As(abi.State)
		}
		out.Add(v)
		b = b[p.size:]
	}
}

// number reads a big-endian number of the part's size.
func (p *part) number(b []byte) float64 {
	raw := int64(0)
	for _, c := range b[:p.size] {
		raw = raw<<8 | int64(c)
	}
	if bits := 8 * p.size; p.signed && raw >= 1<<(bits-1) {
		raw -= 1 << bits
	}
	return float64(raw)
}

// Describe implements [guest.Describer].
func (cayenne) Describe(s *guest.Schema) {
	for i := range kinds {
		k := &kinds[i]
		help := "type " + decimal(k.code)
		if len(k.parts) > 1 {
			help += ", all its parts together and in order"
		}
		for _, p := range k.parts {
			v := guest.Number(p.name, 0, p.unit)
			if k.flag {
				v = guest.Bool(p.name, false)
			}
			s.Both(v.On(abi.AnyChannel), help)
		}
	}
}

func decimal(n byte) string {
	s := ""
	for ; n >= 10; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return string(rune('0'+n)) + s
}
