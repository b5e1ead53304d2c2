package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// A long frame (EN 13757-2): 68 L L 68, then L bytes (C, A, CI, data), their sum, and 16.
const (
	frameStart = 0x68
	frameEnd   = 0x16
	frameHead  = 4
	frameTail  = 2
	linkBytes  = 2 // C and A
)

// part is a part of the payload.
type part struct{ at, end int }

// unframe finds the application layer of a long frame, CI and data.
func unframe(b []byte) (data part, why string) {
	switch {
	case len(b) < frameHead || b[3] != frameStart || b[1] != b[2]:
		return data, "this is no long frame: want 68 L L 68"
	case int(b[1]) < linkBytes+1:
		return data, "the frame is too short for C, A and CI"
	}
	end := frameHead + int(b[1])
	switch {
	case len(b) < end+frameTail:
		return data, "truncated: the frame has " + decimal(uint64(len(b))) + " bytes, want " + decimal(uint64(end+frameTail))
	case len(b) > end+frameTail:
		return data, "something follows the frame"
	case b[end+1] != frameEnd:
		return data, "the frame ends with " + hexText(b[end+1]) + ", want 16"
	}
	sum := byte(0)
	for _, c := range b[frameHead:end] {
		sum += c
	}
	if sum != b[end] {
		return data, "the checksum is " + hexText(b[end]) + ", want " + hexText(sum)
	}
	return part{frameHead + linkBytes, end}, ""
}

// CI fields: what follows.
const (
	longHeader  = 0x72
	fixedData   = 0x73
	noHeader    = 0x78
	shortHeader = 0x7A
)

// application decodes the application layer. It gives how many bytes were understood, and whether that is all.
func application(b []byte, out *guest.Records) (n int, whole bool) {
	if len(b) == 0 {
		out.Fail("truncated: there is no CI field")
		return 0, false
	}
	body := b[1:]
	switch b[0] {
	case fixedData:
		if whole = fixed(body, out); whole {
			n = len(b)
		}
		return n, whole
	case longHeader:
		n = 12
	case shortHeader:
		n = 4
	case noHeader:
	default:
		out.Fail("CI field " + hexText(b[0]) + " is not decoded: want 72, 73, 78 or 7a")
		return 0, false
	}
	if len(body) < n {
		out.Fail("truncated: too short header, " + decimal(uint64(len(body))) + " bytes, want " + decimal(uint64(n)))
		return 0, false
	}
	header(body[:n], out)
	size, whole := blocks(body[n:], out)
	return 1 + n + size, whole
}

// header adds what stands before the data blocks: 12 bytes, 4 or none.
func header(h []byte, out *guest.Records) {
	state := func(name string, n float64) { out.Add(guest.Number(name, n, "").As(abi.State)) }
	if len(h) == 12 {
		addIdentification(h[:4], out)
		maker := manufacturer(h[4], h[5])
		out.Add(guest.Text("manufacturer", maker))
		state("version", float64(h[6]))
		out.Add(guest.Text("medium", mediumName(h[7])))
		if name := product(maker, h[6]); name != "" {
			out.Add(guest.Text("product", name))
		}
		h = h[8:]
	}
	if len(h) == 4 {
		state("access_number", float64(h[0]))
		state("status", float64(h[1]))
		state("signature", float64(uint16(h[2])|uint16(h[3])<<8))
	}
}

func addIdentification(b []byte, out *guest.Records) {
	v, ok := bcd(b)
	if !ok {
		out.Add(guest.NotAvailable("identification", ""))
		out.Warn("identification is no decimal number")
		return
	}
	out.Add(guest.Number("identification", v, ""))
}

// manufacturer gives the three letters, five bits each (EN 13757-3; the letters are those of the FLAG association).
func manufacturer(low, high byte) string {
	n := uint16(low) | uint16(high)<<8
	letter := func(shift int) byte { return byte(n>>shift&31) + 'A' - 1 }
	return string([]byte{letter(10), letter(5), letter(0)})
}

// product names the few meters of which the vectors say what a version stands for.
func product(maker string, version byte) string {
	switch {
	case maker == "AMT" && version == 52:
		return "Aquametro AMTRON"
	case maker == "ELS" && version == 10:
		return "Elster Falcon"
	case maker == "KAM" && version == 1:
		return "Kamstrup 382 (6850-005)"
	case maker == "LSE" && version == 153:
		return "Siemens WFH21"
	case maker == "NZR" && version == 1:
		return "NZR DHZ 5/63"
	case maker == "SEN" && version == 14:
		return "Sensus PolluStat E"
	}
	return ""
}

var media = map[byte]string{
	0x00: "Other", 0x01: "Oil", 0x02: "Electricity", 0x03: "Gas", 0x04: "Heat: Outlet", 0x05: "Steam", 0x06: "Warm water (30-90°C)",
	0x07: "Water", 0x08: "Heat Cost Allocator", 0x09: "Compressed Air", 0x0A: "Cooling load meter: Outlet", 0x0B: "Cooling load meter: Inlet",
	0x0C: "Heat: Inlet", 0x0D: "Heat / Cooling load meter", 0x0E: "Bus/System", 0x0F: "Unknown Medium", 0x15: "Hot water (>=90°C)",
	0x16: "Cold water", 0x17: "Dual water", 0x18: "Pressure", 0x19: "A/D Converter",
}

func mediumName(code byte) string {
	if name := media[code]; name != "" {
		return name
	}
	return "Medium " + hexText(code)
}

// fixed decodes the fixed structure of old meters: identification, access number, status, two bytes of medium and units, two counters.
func fixed(b []byte, out *guest.Records) bool {
	if len(b) != 16 {
		out.Fail("the fixed structure has " + decimal(uint64(len(b))) + " bytes, want 16")
		return false
	}
	addIdentification(b[:4], out)
	out.Add(guest.Number("access_number", float64(b[4]), "").As(abi.State))
	out.Add(guest.Number("status", float64(b[5]), "").As(abi.State))
	out.Add(guest.Text("medium", fixedMedium(b[6]>>6|b[7]>>6<<2)))
	binary, stored := b[5]&0x80 != 0, ""
	if b[5]&0x40 != 0 {
		stored = ".stored"
	}
	first := fixedUnit(b[6] & 0x3F)
	second := fixedUnit(b[7] & 0x3F)
	if b[7]&0x3F == sameButHistoric {
		second = first
		second.name += ".historic"
	}
	for i, q := range []quantity{first, second} {
		counter := b[8+4*i : 12+4*i]
		n, ok := float64(unsigned(counter)), true
		if !binary {
			n, ok = bcd(counter)
		}
		q.name += stored
		if !ok {
			out.Warn(q.name + " is no decimal number")
			out.Add(guest.NotAvailable(q.name, q.unit))
			continue
		}
		out.Add(guest.Number(q.name, q.scaled(n, 0), q.unit).As(q.measure))
	}
	return true
}

func fixedMedium(code byte) string {
	names := [...]string{
		"Other", "Oil", "Electricity", "Gas", "Heat", "Steam", "Hot Water", "Water", "Heat Cost Allocator", "Reserved", "Gas Mode 2",
		"Heat Mode 2", "Hot Water Mode 2", "Water Mode 2", "Heat Cost Allocator Mode 2", "Reserved",
	}
	return names[code&15]
}

// sameButHistoric is the unit that says: that of the first counter, at an earlier time.
const sameButHistoric = 0x3E

// fixedUnit gives what a counter of the fixed structure counts. Units come in threes: × 1, 10, 100.
func fixedUnit(code byte) quantity {
	threes := [...]row{
		{0x02, 0, "energy", "Wh", 1, 0, abi.Counter},
		{0x05, 0, "energy", "Wh", 1, 3, abi.Counter},
		{0x08, 0, "energy", "Wh", 1, 6, abi.Counter},
		{0x0B, 0, "energy", "J", 1, 3, abi.Counter},
		{0x0E, 0, "energy", "J", 1, 6, abi.Counter},
		{0x11, 0, "energy", "J", 1, 9, abi.Counter},
		{0x14, 0, "power", "W", 1, 0, 0},
		{0x17, 0, "power", "W", 1, 3, 0},
		{0x1A, 0, "power", "W", 1, 6, 0},
		{0x1D, 0, "power", "W", perHour, 3, 0},
		{0x20, 0, "power", "W", perHour, 6, 0},
		{0x23, 0, "power", "W", perHour, 9, 0},
		{0x26, 0, "volume", "m3", 1, -6, abi.Counter},
		{0x29, 0, "volume", "m3", 1, -3, abi.Counter},
		{0x2C, 0, "volume", "m3", 1, 0, abi.Counter},
		{0x2F, 0, "volume_flow", "m3/s", perHour, -6, 0},
		{0x32, 0, "volume_flow", "m3/s", perHour, -3, 0},
		{0x35, 0, "volume_flow", "m3/s", perHour, 0, 0},
	}
	for i := range threes {
		if r := &threes[i]; code >= r.code && code < r.code+3 {
			return r.of(code - r.code)
		}
	}
	switch code {
	case 0x38:
		q := raw("temperature")
		q.unit, q.exponent = "Cel", -3
		return q
	case 0x39:
		return raw("heat_cost")
	case 0x3F:
		return raw("count")
	}
	return raw("counter.unit" + hexText(code))
}
