// Command milesight decodes what Milesight's environment sensors send (AM100/AM300, EM300, EM500): a row of channel, type and
// value, each a byte or little-endian number. The table below is the whole format.
//
// It knows no device: the same channel and type mean the same everywhere in these families. A pair that is not in the table has
// an unknown length, so decoding ends there with an error, and what stood before it counts.
package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeDecoder(milesight{}) }

func main() {}

type milesight struct{}

// Configure implements [guest.Decoder]. There is nothing to set.
func (milesight) Configure(guest.Values) error { return nil }

// field is what a channel and type mean: how many bytes follow, and what they are.
type field struct {
	channel, kind byte
	size          int
	read          func(b []byte, out *guest.Records)
}

var fields = []field{
	{0x01, 0x75, 1, func(b []byte, out *guest.Records) { battery(b[0], out) }},
	{0x03, 0x67, 2, number("temperature", signed, 10, "Cel")},
	{0x04, 0x68, 1, number("humidity", unsigned, 2, "%RH")},
	{0x05, 0x00, 1, flag("leakage")},
	{0x05, 0x6A, 2, number("activity", unsigned, 1, "")},
	{0x06, 0x00, 1, flag("open")},
	{0x06, 0x65, 6, light},
	{0x07, 0x7D, 2, number("co2", unsigned, 1, "ppm")},
	{0x08, 0x7D, 2, number("tvoc", unsigned, 1, "")}, // ppb or an index: the device's manual says which
	{0x09, 0x73, 2, number("pressure", unsigned, 10, "hPa")},
	{0x0B, 0x7D, 2, number("pm2_5", unsigned, 1, "ug/m3")},
	{0x0C, 0x7D, 2, number("pm10", unsigned, 1, "ug/m3")},
	{0x03, 0x82, 2, number("distance", unsigned, 1, "mm")},
	{0xFF, 0x01, 1, version("protocol_version")},
	{0xFF, 0x09, 2, version("hardware_version")},
	{0xFF, 0x0A, 2, version("firmware_version")},
	{0xFF, 0x0B, 1, func(_ []byte, out *guest.Records) { out.Add(guest.Bool("power_on", true).As(abi.Event)) }},
	{0xFF, 0x0F, 1, number("device_class", unsigned, 1, "")},
	{0xFF, 0x16, 8, func(b []byte, out *guest.Records) { out.Add(guest.Text("serial_number", hexText(b))) }},
}

// Decode implements [guest.Decoder].
func (milesight) Decode(p *guest.Payload, out *guest.Records) {
	b := p.Bytes
	for len(b) > 0 {
		out.Consumed(len(p.Bytes) - len(b))
		if len(b) < 2 {
			out.Fail("truncated: a channel without a type at the end")
			return
		}
		f := find(b[0], b[1])
		switch {
		case f == nil:
			out.Fail("unknown channel " + hexText(b[:1]) + " type " + hexText(b[1:2]))
			return
		case len(b) < 2+f.size:
			out.Fail("truncated: channel " + hexText(b[:1]) + " type " + hexText(b[1:2]) + " is cut off")
			return
		}
		f.read(b[2:2+f.size], out)
		b = b[2+f.size:]
	}
	out.Consumed(len(p.Bytes))
}

// Describe implements [guest.Describer].
func (milesight) Describe(s *guest.Schema) {
	for _, v := range []guest.Value{
		guest.Number("battery", 0, "%EL"), guest.Number("temperature", 0, "Cel"), guest.Number("humidity", 0, "%RH"), guest.Bool("leakage", false),
		guest.Number("activity", 0, ""), guest.Bool("open", false), guest.Number("illuminance", 0, "lx"), guest.Number("light_visible_infrared", 0, ""),
		guest.Number("light_infrared", 0, ""), guest.Number("co2", 0, "ppm"), guest.Number("tvoc", 0, ""), guest.Number("pressure", 0, "hPa"),
		guest.Number("pm2_5", 0, "ug/m3"), guest.Number("pm10", 0, "ug/m3"), guest.Number("distance", 0, "mm"), guest.Number("device_class", 0, ""),
		guest.Text("protocol_version", ""), guest.Text("hardware_version", ""), guest.Text("firmware_version", ""), guest.Text("serial_number", ""),
		guest.Bool("power_on", true).As(abi.Event),
	} {
		s.Decodes(v, "")
	}
}

func find(channel, kind byte) *field {
	for i := range fields {
		if fields[i].channel == channel && fields[i].kind == kind {
			return &fields[i]
		}
	}
	return nil
}

// unsigned reads one or two bytes, little-endian.
func unsigned(b []byte) float64 {
	if len(b) == 1 {
		return float64(b[0])
	}
	return float64(uint16(b[0]) | uint16(b[1])<<8)
}

// signed reads two bytes, little-endian.
func signed(b []byte) float64 { return float64(int16(uint16(b[0]) | uint16(b[1])<<8)) }

// number makes a reader of a number in steps of 1/steps. It divides: a product with 0.1 is not the nearest number.
func number(name string, read func([]byte) float64, steps float64, unit string) func([]byte, *guest.Records) {
	return func(b []byte, out *guest.Records) { out.Add(guest.Number(name, read(b)/steps, unit)) }
}

// flag makes a reader of a state that is 1 or 0.
func flag(name string) func([]byte, *guest.Records) {
	return func(b []byte, out *guest.Records) {
		if b[0] > 1 {
			out.Warn(name + " is " + hexText(b) + ", want 00 or 01: taken as 01")
		}
		out.Add(guest.Bool(name, b[0] != 0))
	}
}

// battery is a percentage; FF is sent where there is none.
func battery(percent byte, out *guest.Records) {
	switch {
	case percent == 0xFF:
		out.Add(guest.NotAvailable("battery", "%EL"))
	case percent > 100:
		out.Warn("battery is above 100 %")
		fallthrough
	default:
		out.Add(guest.Number("battery", float64(percent), "%EL"))
	}
}

// light is illuminance, and the counts of the sensor's two diodes.
func light(b []byte, out *guest.Records) {
	out.Add(guest.Number("illuminance", unsigned(b[:2]), "lx"))
	out.Add(guest.Number("light_visible_infrared", unsigned(b[2:4]), ""))
	out.Add(guest.Number("light_infrared", unsigned(b[4:6]), ""))
}

// version reads the digits of a version: a nibble pair 1.0 from one byte, 2.16 from two.
func version(name string) func([]byte, *guest.Records) {
	return func(b []byte, out *guest.Records) {
		major, minor := b[0]>>4, b[0]&0x0F
		if len(b) == 2 {
			major, minor = b[0], b[1]
		}
		out.Add(guest.Text(name, decimal(major)+"."+decimal(minor)))
	}
}

func decimal(n byte) string {
	s := ""
	for ; n >= 10; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return string(rune('0'+n)) + s
}

func hexText(b []byte) string {
	const digits = "0123456789abcdef"
	s := make([]byte, 0, 2*len(b))
	for _, c := range b {
		s = append(s, digits[c>>4], digits[c&15])
	}
	return string(s)
}
