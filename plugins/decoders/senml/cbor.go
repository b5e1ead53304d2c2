package main

import (
	"math"
	"unicode/utf8"
)

// Major types of CBOR (RFC 8949, 3.1).
const (
	cborUint   = 0
	cborNegint = 1
	cborBytes  = 2
	cborText   = 3
	cborArray  = 4
	cborMap    = 5
	cborTag    = 6
	cborSimple = 7

	decimalFraction = 4
	bigFloat        = 5
	breaking        = 0xFF
	indefinite      = 31
)

// cborReader reads what SenML needs of CBOR. After a mistake bad says what it is, and all that follows gives nothing.
type cborReader struct {
	b   []byte
	at  int
	bad string
}

// readCBOR reads a pack and hands over each record. It gives how many bytes were understood, and why not more.
func readCBOR(b []byte, each func([]field)) (size int, why string) {
	r := &cborReader{b: b}
	major, info, n := r.head()
	if r.bad == "" && major != cborArray {
		return 0, "this is neither an array of JSON nor one of CBOR"
	}
	r.list(info, n, func() {
		if fields := r.record(); r.bad == "" {
			each(fields)
			size = r.at
		}
	})
	if r.bad == "" && r.at < len(b) {
		r.fail("something follows after the end")
	}
	if r.bad == "" {
		size = len(b)
	}
	return size, r.bad
}

func (r *cborReader) fail(why string) {
	if r.bad == "" {
		r.bad = "the CBOR is damaged at byte " + decimal(r.at) + ": " + why
		r.b = r.b[:min(r.at, len(r.b))]
	}
}

// bytes takes the next n.
func (r *cborReader) bytes(n uint64) []byte {
	if r.bad != "" || n > uint64(len(r.b)-r.at) {
		r.fail("it is cut off")
		return nil
	}
	b := r.b[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

// head reads the head of an item: its major type, its additional information and its argument.
func (r *cborReader) head() (major, info byte, n uint64) {
	first := r.bytes(1)
	if r.bad != "" {
		return cborSimple, 0, 0
	}
	major, info = first[0]>>5, first[0]&31
	switch {
	case info < 24:
		return major, info, uint64(info)
	case info < 28:
		for _, c := range r.bytes(1 << (info - 24)) {
			n = n<<8 | uint64(c)
		}
	case info != indefinite || major == cborUint || major == cborNegint || major == cborTag:
		r.fail("an item that cannot be")
	}
	return major, info, n
}

// list reads n entries, or those up to the break. Each takes at least a byte, so a count that lies ends with the payload.
func (r *cborReader) list(info byte, n uint64, entry func()) {
	for k := uint64(0); r.bad == "" && (info == indefinite || k < n); k++ {
		if info == indefinite && r.at < len(r.b) && r.b[r.at] == breaking {
			r.at++
			return
		}
		entry()
	}
}

// record reads a map.
func (r *cborReader) record() (fields []field) {
	major, info, n := r.head()
	if major != cborMap {
		r.fail("want a record: a map")
		return nil
	}
	r.list(info, n, func() {
		label := r.label()
		for i := range fields {
			if fields[i].label == label {
				r.fail("the field " + label + " comes twice")
			}
		}
		fields = append(fields, field{label, r.value(0)})
	})
	return fields
}

// label reads a label: a number of section 6, table 4, or a text.
func (r *cborReader) label() string {
	v := r.value(0)
	if v.kind == text {
		return v.text
	}
	if v.kind != number {
		r.fail("a label that is neither a number nor a text")
		return ""
	}
	if at := int(v.num) + 6; v.num >= -6 && v.num <= 8 {
		return cborLabels[at]
	}
	if v.num < 0 {
		return "-" + decimal(int(min(-v.num, 1e9)))
	}
	return decimal(int(min(v.num, 1e9)))
}

// cborLabels are the labels from -6 to 8 (section 6, table 4).
var cborLabels = [...]string{"bs", "bv", "bu", "bt", "bn", "bver", "n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"}

// value reads any item.
func (r *cborReader) value(depth int) (v value) {
	major, info, n := r.head()
	switch {
	case r.bad != "":
	case (major == cborArray || major == cborMap || major == cborTag) && depth == maxDepth:
		r.fail("it is nested too deeply")
	case major == cborUint:
		return value{kind: number, num: float64(n)}
	case major == cborNegint:
		return value{kind: number, num: -1 - float64(n)}
	case (major == cborBytes || major == cborText) && info == indefinite:
		r.fail("a text or bytes in pieces, which this decoder does not read")
	case major == cborBytes:
		return value{kind: data, text: string(r.bytes(n))}
	case major == cborText:
		b := r.bytes(n)
		if !utf8.Valid(b) {
			r.fail("a text that is not UTF-8")
		}
		return value{kind: text, text: string(b)}
	case major == cborArray:
		r.list(info, n, func() { r.value(depth + 1) })
		return value{kind: nested}
	case major == cborMap:
		r.list(info, n, func() { r.value(depth + 1); r.value(depth + 1) })
		return value{kind: nested}
	case major == cborTag && (n == decimalFraction || n == bigFloat):
		return r.fraction(n)
	case major == cborTag:
		r.value(depth + 1)
		return value{kind: nested}
	}
	return r.simple(info, n)
}

// fraction reads a decimal fraction or a bigfloat: exponent and mantissa (RFC 8949, 3.4.4).
func (r *cborReader) fraction(tag uint64) value {
	major, info, n := r.head()
	var parts []value
	if major == cborArray && info != indefinite && n == 2 {
		parts = []value{r.value(maxDepth), r.value(maxDepth)}
	}
	if len(parts) != 2 || parts[0].kind != number || parts[1].kind != number {
		r.fail("a fraction that is none")
		return value{}
	}
	exponent, mantissa := parts[0].num, parts[1].num
	switch {
	case tag == bigFloat:
		return value{kind: number, num: math.Ldexp(mantissa, int(max(min(exponent, 2000), -2000)))}
	case exponent < 0:
		return value{kind: number, num: mantissa / math.Pow(10, -exponent)}
	}
	return value{kind: number, num: mantissa * math.Pow(10, exponent)}
}

// simple reads true, false, null and the floats.
func (r *cborReader) simple(info byte, n uint64) (v value) {
	switch info {
	case 20, 21:
		return value{kind: boolean, is: info == 21}
	case 22, 23:
		return value{}
	case 25:
		return value{kind: number, num: half(uint16(n))}
	case 26:
		return value{kind: number, num: float64(math.Float32frombits(uint32(n)))}
	case 27:
		return value{kind: number, num: math.Float64frombits(n)}
	}
	r.fail("an item that cannot be")
	return v
}

// half reads a half-precision float (RFC 8949, appendix D).
func half(h uint16) (f float64) {
	exponent, mantissa := int(h>>10&31), float64(h&0x3FF)
	switch exponent {
	case 0:
		f = math.Ldexp(mantissa, -24)
	case 31:
		f = math.Inf(1)
		if mantissa != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(mantissa+1024, exponent-25)
	}
	if h&0x8000 != 0 {
		f = -f
	}
	return f
}
