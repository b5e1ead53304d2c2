// Command mbus decodes what M-Bus meters answer (EN 13757): a long frame of the wire (part 2), or the application layer alone, from its CI
// field on (part 3): variable data blocks, and the fixed structure of old meters.
//
// frame.go takes the frame and the header apart, block.go the data blocks, vif.go says what they are of. What stands before a mistake
// counts.
package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeDecoder(mbus{}) }

func main() {}

type mbus struct{}

// Configure implements [guest.Decoder]. There is nothing to set.
func (mbus) Configure(guest.Values) error { return nil }

// Decode implements [guest.Decoder].
func (mbus) Decode(p *guest.Payload, out *guest.Records) {
	b := p.Bytes
	before := 0
	if len(b) > 0 && b[0] == frameStart {
		data, why := unframe(b)
		if why != "" {
			out.Fail(why)
			return
		}
		before = data.at
		b = b[data.at:data.end]
	}
	n, whole := application(b, out)
	out.Consumed(before + n)
	if whole {
		out.Consumed(len(p.Bytes))
	}
}

// Describe implements [guest.Describer]: the header, and that quantities are the meter's own, by the rules of the README.
func (mbus) Describe(s *guest.Schema) {
	s.Decodes(guest.Number("identification", 0, ""), "the meter's number")
	s.Decodes(guest.Text("manufacturer", ""), "three letters")
	s.Decodes(guest.Text("medium", ""), "what is measured")
	s.Decodes(guest.Text("product", ""), "where it is known")
	for _, name := range []string{"version", "access_number", "status", "signature"} {
		s.Decodes(guest.Number(name, 0, "").As(abi.State), "of the header")
	}
	said := map[string]bool{}
	for _, table := range [][]row{primary, tableFD, tableFB} {
		for i := range table {
			q := &table[i]
			if key := q.name + " " + q.unit; !said[key] {
				said[key] = true
				s.Decodes(q.like().On(abi.AnyChannel), "with .storageN, .tariffN, .error and more; the channel is the meter's unit")
			}
		}
	}
	s.Decodes(guest.NotAvailable("", "").On(abi.AnyChannel), "the same with suffixes, and codes that are not in the tables")
}

func decimal(n uint64) string {
	s := ""
	for ; n >= 10; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return string(rune('0'+n)) + s
}

// padded gives at least two digits.
func padded(n uint64) string {
	if n < 10 {
		return "0" + decimal(n)
	}
	return decimal(n)
}

func hexText(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}
