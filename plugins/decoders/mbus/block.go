package main

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Bits and values of a DIF (EN 13757-3, data information block).
const (
	extended   = 0x80 // of DIF, DIFE, VIF and VIFE: another one follows
	filler     = 0x2F
	rest       = 0x0F // the meter's own data up to the end
	restMore   = 0x1F // the same, and there is another answer
	maxFollow  = 10   // DIFEs and VIFEs
	lengthData = 0x0D // its first byte says how long it is
	floatData  = 0x05
	plainText  = 0x7C // VIF: the unit stands there as a text
)

// Functions of a DIF, bits 4 and 5.
const (
	functionMaximum = 1
	functionMinimum = 2
	functionError   = 3
)

// block is a data block taken apart.
type block struct {
	form     byte // low four bits of the DIF
	function byte
	storage  uint64
	tariff   uint64
	unit     uint64
	vif      byte
	table    byte   // FD or FB: vif is of that table; 0: of the primary one
	vifes    []byte // without the one that stands for a table
	text     string // the unit of a plain-text VIF
	data     []byte
}

// blocks decodes data blocks. It gives how many bytes were understood, and whether that is all.
func blocks(b []byte, out *guest.Records) (size int, whole bool) {
	for size < len(b) {
		dif := b[size]
		switch dif {
		case filler:
			size++
			continue
		case rest, restMore:
			if dif == restMore {
				out.Add(guest.Bool("more_records_follow", true))
			}
			if data := b[size+1:]; len(data) > 0 {
				out.Add(guest.Bytes("manufacturer_specific", data))
			}
			return len(b), true
		}
		r := reader{b: b[size:]}
		k := r.block()
		if r.why != "" {
			out.Fail(r.why)
			return size, false
		}
		k.add(out)
		size += r.at
	}
	return size, true
}

// reader reads a data block. After a mistake why says what it is, and all that follows gives zeros.
type reader struct {
	b   []byte
	at  int
	why string
}

func (r *reader) fail(why string) {
	if r.why == "" {
		r.why = why
	}
}

// next gives a byte.
func (r *reader) next(what string) byte {
	if r.why != "" || r.at == len(r.b) {
		r.fail("truncated: premature end of " + what)
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

// bytes gives the next n.
func (r *reader) bytes(n int, what string) []byte {
	if r.why != "" || n > len(r.b)-r.at {
		r.fail("truncated: premature end of " + what)
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

// block reads a data block: DIF, DIFEs, VIF, VIFEs, data.
func (r *reader) block() (k block) {
	dif := r.next("DIF")
	k.form, k.function, k.storage = dif&15, dif>>4&3, uint64(dif>>6&1)
	if k.form == 15 {
		r.fail("DIF " + hexText(dif) + " is no data")
	}
	for n := 0; dif&extended != 0 && r.why == ""; n++ {
		if n == maxFollow {
			r.fail("too many DIFE: more than 10")
			return k
		}
		dif = r.next("DIFE")
		k.storage |= uint64(dif&15) << (1 + 4*n)
		k.tariff |= uint64(dif>>4&3) << (2 * n)
		k.unit |= uint64(dif>>6&1) << n
	}
	r.vib(&k)
	k.data = r.bytes(r.length(k.form), "data")
	return k
}

// vib reads VIF and VIFEs.
func (r *reader) vib(k *block) {
	vif := r.next("VIF")
	more := vif&extended != 0
	k.vif = vif &^ extended
	if vif == 0xFD || vif == 0xFB {
		k.table, vif = vif, r.next("VIFE")
		more = vif&extended != 0
		k.vif = vif &^ extended
	}
	if k.table == 0 && k.vif == plainText {
		k.text = reversed(r.bytes(int(r.next("VIF")), "VIF"))
	}
	for more && r.why == "" {
		if len(k.vifes) == maxFollow {
			r.fail("too many VIFE: more than 10")
			return
		}
		vife := r.next("VIFE")
		k.vifes, more = append(k.vifes, vife&^extended), vife&extended != 0
	}
}

// length gives the bytes of data that a form has.
func (r *reader) length(form byte) int {
	switch form {
	case 0, 8: // 8: selection for readout
		return 0
	case floatData:
		return 4
	case 6, 14:
		return 6
	case 7:
		return 8
	case lengthData:
		switch n := r.next("data"); {
		case n <= 0xBF:
			r.at-- // the length stays with the data
			return 1 + int(n)
		case n <= 0xC9:
			r.at--
			return 1 + int(n-0xC0)
		case n >= 0xD0 && n <= 0xD9:
			r.at--
			return 1 + int(n-0xD0)
		case n >= 0xE0 && n <= 0xEF:
			r.at--
			return 1 + int(n-0xE0)
		default:
			r.fail("a length of " + hexText(n) + " is not decoded")
			return 0
		}
	}
	return int(form & 7) // 1 to 4, and as decimal digits 9 to C
}

// add adds the value of a block.
func (k *block) add(out *guest.Records) {
	q, known := k.quantity()
	if !known {
		out.Warn("code " + q.name + " is not known: its number stands as it is")
	}
	name, exponent := q.name+k.suffix(), k.exponent()
	v := k.value(q, name, exponent)
	switch k.function {
	case functionMaximum:
		v = v.Of(abi.Maximum)
	case functionMinimum:
		v = v.Of(abi.Minimum)
	}
	if v.Type == abi.TypeNotAvailable && k.form != 0 && k.form != 8 {
		out.Warn(name + " is no value")
	}
	if k.unit > 0 && k.unit < math.MaxInt32 {
		v = v.On(int(k.unit))
	}
	out.Add(v)
}

// suffix is what tells a value from others of its quantity: storage, tariff, function, and what VIFEs say beyond scaling.
func (k *block) suffix() (s string) {
	if k.storage > 0 {
		s += ".storage" + decimal(k.storage)
	}
	if k.tariff > 0 {
		s += ".tariff" + decimal(k.tariff)
	}
	if k.function == functionError {
		s += ".error"
	}
	for _, vife := range k.vifes {
		switch {
		case vife >= 0x70 && vife <= 0x77 || vife == 0x7D: // exponent
		case vife == 0x3B:
			s += ".positive"
		case vife == 0x3C:
			s += ".negative"
		case vife == 0x7E:
			s += ".future"
		default:
			s += ".vife" + hexText(vife)
		}
	}
	return s
}

// exponent is that of the correction factors among the VIFEs.
func (k *block) exponent() (e int) {
	for _, vife := range k.vifes {
		switch {
		case vife >= 0x70 && vife <= 0x77:
			e += int(vife&7) - 6
		case vife == 0x7D:
			e += 3
		}
	}
	return e
}

// value reads the data of a block.
func (k *block) value(q quantity, name string, exponent int) guest.Value {
	if q.date && (k.form == 2 || k.form == 3 || k.form == 4 || k.form == 6) {
		if text, ok := date(k.data); ok {
			return guest.Text(name, text)
		}
		return guest.NotAvailable(name, "")
	}
	if k.form == lengthData {
		return k.long(q, name, exponent)
	}
	n, ok := k.number()
	if !ok {
		return guest.NotAvailable(name, q.unit)
	}
	return guest.Number(name, q.scaled(n, exponent), q.unit).As(q.measure)
}

// number reads a number by the form. It is none if there is no data, or digits that are none.
func (k *block) number() (float64, bool) {
	switch {
	case len(k.data) == 0:
		return 0, false
	case k.form == floatData:
		return float(k.data)
	case k.form > 8:
		return bcd(k.data)
	}
	return float64(signed(k.data)), true
}

// long reads data that says how long it is: a text, last character first, decimal digits, or a binary number.
func (k *block) long(q quantity, name string, exponent int) guest.Value {
	head, b := k.data[0], k.data[1:]
	number := func(n float64) guest.Value {
		return guest.Number(name, q.scaled(n, exponent), q.unit).As(q.measure)
	}
	switch {
	case head <= 0xBF:
		if s := reversed(b); utf8.ValidString(s) {
			return guest.Text(name, s)
		}
		return guest.Bytes(name, b)
	case head <= 0xD9:
		n, ok := bcd(b)
		switch {
		case !ok || len(b) == 0:
			return guest.NotAvailable(name, q.unit)
		case head >= 0xD0:
			n = -n
		}
		return number(n)
	case len(b) > 0 && len(b) <= 6: // exact as a float64
		return number(float64(signed(b)))
	}
	return guest.Bytes(name, b)
}

func unsigned(b []byte) (n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	return n
}

func signed(b []byte) int64 {
	shift := 64 - 8*len(b)
	return int64(unsigned(b)<<shift) >> shift
}

// bcd reads decimal digits, last byte first. A highest digit of F is a minus.
func bcd(b []byte) (n float64, ok bool) {
	sign := 1.0
	for i := len(b) - 1; i >= 0; i-- {
		high, low := b[i]>>4, b[i]&15
		if i == len(b)-1 && high == 15 {
			sign, high = -1, 0
		}
		if high > 9 || low > 9 {
			return 0, false
		}
		n = n*100 + float64(10*high+low)
	}
	return sign * n, true
}

// float reads four bytes as the decimal number that they stand for: 41.737434, not 41.737434387….
func float(b []byte) (float64, bool) {
	f := math.Float32frombits(uint32(unsigned(b)))
	n, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// reversed gives a text that is sent with its last character first.
func reversed(b []byte) string {
	var s strings.Builder
	for i := len(b) - 1; i >= 0; i-- {
		s.WriteByte(b[i])
	}
	return s.String()
}

// date reads the types G (2 bytes, a date), F (4 bytes, with hours and minutes) and I (6 bytes, with seconds), and a time of day (3 bytes). It
// is none if it says so, or cannot be.
func date(b []byte) (string, bool) {
	day := func(low, high byte) (string, bool) {
		y, m, d := uint64(low>>5|high>>4<<3), uint64(high&15), uint64(low&31)
		if y > 99 || m < 1 || m > 12 || d < 1 {
			return "", false
		}
		return "20" + padded(y) + "-" + padded(m) + "-" + padded(d), true
	}
	clock := func(h, m, s byte) (string, bool) {
		return padded(uint64(h)) + ":" + padded(uint64(m)) + ":" + padded(uint64(s)), h < 24 && m < 60 && s < 60
	}
	var text, at string
	ok, whole := true, true
	switch len(b) {
	case 2:
		return day(b[0], b[1])
	case 3:
		return clock(b[2]&31, b[1]&63, b[0]&63)
	case 4: // bit 7 of the minutes: invalid
		text, ok = day(b[2], b[3])
		at, whole = clock(b[1]&31, b[0]&63, 0)
		ok = ok && b[0]&0x80 == 0
	case 6:
		text, ok = day(b[3], b[4])
		at, whole = clock(b[2]&31, b[1]&63, b[0]&63)
		ok = ok && b[1]&0x80 == 0
	}
	return text + "T" + at + "Z", ok && whole
}
