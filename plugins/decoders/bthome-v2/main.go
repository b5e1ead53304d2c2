// Command bthome-v2 decodes BTHome v2: the service data (UUID FCD2) that Bluetooth sensors broadcast, from the device information on.
// A row of objects follows it, each an id and little-endian numbers; objects.go is the whole table. With the device's bindkey it
// reads encrypted data too.
//
// An object that is not in the table has an unknown length, so decoding ends there with an error, and what stood before it counts.
package main

import (
	"unicode/utf8"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeDecoder(bthome{}) }

func main() {}

type bthome struct{}

// Configure implements [guest.Decoder]. There is nothing to set: the key is the device's, so it is a variable.
func (bthome) Configure(guest.Values) error { return nil }

// Bits of the device information, the first byte.
const (
	encrypted   = 1 << 0
	withAddress = 1 << 1 // the MAC address follows, last byte first
	versionAt   = 5      // the highest three bits
	version     = 2
	addressSize = 6
)

// Decode implements [guest.Decoder].
func (bthome) Decode(p *guest.Payload, out *guest.Records) {
	b := p.Bytes
	if len(b) == 0 {
		out.Fail("wrong length: the payload is empty")
		return
	}
	info := b[0]
	if info>>versionAt != version {
		out.Fail("this is version " + decimal(uint64(info>>versionAt)) + " of BTHome, want 2")
		return
	}
	head := 1
	if info&withAddress != 0 {
		head += addressSize
	}
	if len(b) < head {
		out.Fail("wrong length: the MAC address is cut off")
		return
	}
	if info&encrypted == 0 {
		out.Consumed(head + decodeObjects(b[head:], out))
		return
	}
	plain, why := decrypt(b, head, p.Variables)
	if why != "" {
		out.Fail(why)
		return
	}
	if decodeObjects(plain, out) == len(plain) {
		out.Consumed(len(b))
	}
}

// found is an object of the payload.
type found struct {
	object *object
	data   []byte
}

// decodeObjects adds the values of a row of objects. It gives how many bytes were understood.
func decodeObjects(b []byte, out *guest.Records) int {
	list, size, why := split(b)
	seen := map[string]int{}
	for _, f := range list {
		seen[f.object.name]++
	}
	nth := map[string]int{}
	for _, f := range list {
		channel := -1
		if name := f.object.name; seen[name] > 1 { // the first is number 1
			nth[name]++
			channel = nth[name]
		}
		f.object.add(f.data, channel, out)
	}
	if why != "" {
		out.Fail(why)
	}
	return size
}

// split takes a row of objects apart, as far as it can be understood: size bytes, and why not further.
func split(b []byte) (list []found, size int, why string) {
	for size < len(b) {
		o, rest := objectOf(b[size]), b[size+1:]
		if o == nil {
			return list, size, "unknown object " + hexText(b[size])
		}
		n, head := o.size, 0
		if o.form == text || o.form == raw {
			if len(rest) == 0 {
				return list, size, "wrong length: object " + hexText(o.id) + " is cut off"
			}
			n, head = int(rest[0]), 1
		}
		if len(rest) < head+n {
			return list, size, "wrong length: object " + hexText(o.id) + " is cut off"
		}
		list = append(list, found{o, rest[head : head+n]})
		size += 1 + head + n
	}
	return list, size, ""
}

// add adds the value of an object.
func (o *object) add(b []byte, channel int, out *guest.Records) {
	v, ok := o.value(b, out)
	if ok {
		out.Add(v.On(channel))
	}
	if o.form == dimmer && ok {
		out.Add(guest.Number(o.name+"_steps", float64(b[1]), "").On(channel).As(abi.Event))
	}
}

// value reads an object; ok is false if it says that there is nothing to say.
func (o *object) value(b []byte, out *guest.Records) (v guest.Value, ok bool) {
	switch o.form {
	case flag:
		if b[0] > 1 {
			out.Warn(o.name + " is " + decimal(uint64(b[0])) + ", want 0 or 1: taken as 1")
		}
		return guest.Bool(o.name, b[0] != 0), true
	case text:
		if !utf8.Valid(b) {
			out.Warn(o.name + " is not UTF-8, and left out")
			return v, false
		}
		return guest.Text(o.name, string(b)), true
	case raw:
		return guest.Bytes(o.name, b), true
	case button, dimmer:
		return o.event(b[0], out)
	case firmware:
		s := ""
		for i := len(b) - 1; i >= 0; i-- {
			s += "." + decimal(uint64(b[i]))
		}
		return guest.Text(o.name, s[1:]), true
	}
	return guest.Number(o.name, o.number(b), o.unit).As(o.measure), true
}

// event reads a button or dimmer; 0 says that nothing happened.
func (o *object) event(code byte, out *guest.Records) (v guest.Value, ok bool) {
	if code == 0 {
		return v, false
	}
	word := pressed(code)
	if o.form == dimmer {
		word = turned(code)
	}
	if word == "" {
		word = "event_" + hexText(code)
		out.Warn(o.name + " has the unknown event " + hexText(code))
	}
	return guest.Text(o.name, word).As(abi.Event), true
}

func pressed(code byte) string {
	switch code {
	case 0x01:
		return "press"
	case 0x02:
		return "double_press"
	case 0x03:
		return "triple_press"
	case 0x04:
		return "long_press"
	case 0x05:
		return "long_double_press"
	case 0x06:
		return "long_triple_press"
	case 0x80:
		return "hold_press"
	}
	return ""
}

func turned(code byte) string {
	switch code {
	case 1:
		return "rotate_left"
	case 2:
		return "rotate_right"
	}
	return ""
}

// number reads a little-endian number and scales it. It divides: a product with 0.01 is not the nearest number.
func (o *object) number(b []byte) float64 {
	raw := int64(0)
	for i := len(b) - 1; i >= 0; i-- {
		raw = raw<<8 | int64(b[i])
	}
	if bits := 8 * len(b); o.form == signed && raw >= 1<<(bits-1) {
		raw -= 1 << bits
	}
	return float64(raw) * o.times / o.steps
}

// Describe implements [guest.Describer]: the table, each quantity once. A quantity that comes more than once in a payload has channels.
func (bthome) Describe(s *guest.Schema) {
	said := map[string]bool{}
	for i := range objects {
		o := &objects[i]
		v := guest.Number(o.name, 0, o.unit).As(o.measure)
		switch o.form {
		case flag:
			v = guest.Bool(o.name, false)
		case text, firmware:
			v = guest.Text(o.name, "")
		case button, dimmer:
			v = guest.Text(o.name, "").As(abi.Event)
		case raw:
			v = guest.Bytes(o.name, nil)
		}
		if key := o.name + " " + o.unit; !said[key] {
			said[key] = true
			s.Decodes(v.On(abi.AnyChannel), o.help)
		}
	}
	s.Decodes(guest.Number("dimmer_steps", 0, "").On(abi.AnyChannel).As(abi.Event), "how far it was turned")
}

func decimal(n uint64) string {
	s := ""
	for ; n >= 10; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return string(rune('0'+n)) + s
}

func hexText(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}
