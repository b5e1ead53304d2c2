// Command my-decoder is a Z-Mesh decoder: it turns a device's payload into records. The format is two bytes of temperature in tenths of
// a degree, big-endian and signed, and one byte of relative humidity in halves of a percent.
package main

import "github.com/zmesh/zmesh/sdk/guest"

func init() { guest.ServeDecoder(&decoder{}) }

func main() {}

type decoder struct {
	offset float64 // added to each temperature
}

// Configure reads the settings of plugin.toml. The host has checked them.
func (d *decoder) Configure(v guest.Values) error {
	d.offset = v.Float("offset", 0)
	return nil
}

// payloadSize is what the device sends, in bytes.
const payloadSize = 3

// Decode is pure: the same payload gives the same records, whatever was decoded before.
func (d *decoder) Decode(p *guest.Payload, out *guest.Records) {
	b := p.Bytes
	if len(b) < payloadSize {
		out.Fail("truncated: want 3 bytes")
		return
	}
	raw := int16(uint16(b[0])<<8 | uint16(b[1]))
	out.Add(guest.Number("temperature", float64(raw)/10+d.offset, "Cel"))
	out.Add(guest.Number("humidity", float64(b[2])/2, "%RH"))
	out.Consumed(payloadSize)
	if len(b) > payloadSize {
		out.Warn("something follows after the third byte")
	}
}
