package main

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds what is passed over, in JSON and CBOR.
const maxDepth = 16

// jsonReader reads what SenML needs of JSON (RFC 8259). After a mistake bad says what it is, and all that follows gives nothing.
type jsonReader struct {
	b   []byte
	at  int
	bad string
}

// readJSON reads a pack and hands over each record. It gives how many bytes were understood, and why not more.
func readJSON(b []byte, each func([]field)) (size int, why string) {
	r := &jsonReader{b: b}
	if !r.take('[') {
		return 0, "this is neither an array of JSON nor one of CBOR"
	}
	r.list(']', func() {
		if fields := r.object(); r.bad == "" {
			each(fields)
			size = r.at
		}
	})
	if r.space(); r.bad == "" && r.at < len(b) {
		r.fail("something follows after the end")
	}
	if r.bad == "" {
		size = len(b)
	}
	return size, r.bad
}

func (r *jsonReader) fail(why string) {
	if r.bad == "" {
		r.bad = "the JSON is damaged at byte " + decimal(r.at) + ": " + why
		r.b = r.b[:min(r.at, len(r.b))]
	}
}

func (r *jsonReader) space() {
	for r.at < len(r.b) && (r.b[r.at] == ' ' || r.b[r.at] == '\t' || r.b[r.at] == '\n' || r.b[r.at] == '\r') {
		r.at++
	}
}

// peek gives the next byte that is no white space; 0 at the end.
func (r *jsonReader) peek() byte {
	r.space()
	if r.bad != "" || r.at == len(r.b) {
		return 0
	}
	return r.b[r.at]
}

func (r *jsonReader) take(c byte) bool {
	if r.peek() != c || c == 0 {
		return false
	}
	r.at++
	return true
}

// list reads what stands between brackets, of which the first was taken.
func (r *jsonReader) list(end byte, entry func()) {
	if r.take(end) {
		return
	}
	for r.bad == "" {
		entry()
		if r.take(end) {
			return
		}
		if !r.take(',') {
			r.fail("want a comma or " + string(rune(end)))
		}
	}
}

// object reads a record.
func (r *jsonReader) object() (fields []field) {
	if !r.take('{') {
		r.fail("want a record: {")
		return nil
	}
	r.list('}', func() {
		label := r.text()
		if !r.take(':') {
			r.fail("want a colon")
			return
		}
		for i := range fields {
			if fields[i].label == label {
				r.fail("the field " + label + " comes twice")
			}
		}
		v := r.value(0)
		v.is = v.is || v.kind == text // data would be base64url
		fields = append(fields, field{label, v})
	})
	return fields
}

// value reads any value.
func (r *jsonReader) value(depth int) (v value) {
	switch c := r.peek(); {
	case c == '"':
		return value{kind: text, text: r.text()}
	case c == '-' || c >= '0' && c <= '9':
		return value{kind: number, num: r.number()}
	case (c == '[' || c == '{') && depth == maxDepth:
		r.fail("it is nested too deeply")
	case c == '[':
		r.at++
		r.list(']', func() { r.value(depth + 1) })
		return value{kind: nested}
	case c == '{':
		r.at++
		r.list('}', func() {
			r.text()
			if !r.take(':') {
				r.fail("want a colon")
				return
			}
			r.value(depth + 1)
		})
		return value{kind: nested}
	case r.word("true"):
		return value{kind: boolean, is: true}
	case r.word("false"):
		return value{kind: boolean}
	case r.word("null"):
	default:
		r.fail("want a value")
	}
	return value{}
}

func (r *jsonReader) word(w string) bool {
	if r.bad != "" || len(r.b)-r.at < len(w) || string(r.b[r.at:r.at+len(w)]) != w {
		return false
	}
	r.at += len(w)
	return true
}

// number reads a number: a minus, digits without a zero before them, a fraction, an exponent.
func (r *jsonReader) number() float64 {
	start := r.at
	r.skip("-", 1)
	if r.skip("0", 1) == 0 && r.skip("0123456789", len(r.b)) == 0 {
		r.fail("a number without digits")
		return 0
	}
	if r.skip(".", 1) == 1 && r.skip("0123456789", len(r.b)) == 0 {
		r.fail("a fraction without digits")
		return 0
	}
	if r.skip("eE", 1) == 1 {
		r.skip("+-", 1)
		if r.skip("0123456789", len(r.b)) == 0 {
			r.fail("an exponent without digits")
			return 0
		}
	}
	n, err := strconv.ParseFloat(string(r.b[start:r.at]), 64)
	if err != nil {
		r.fail("a number that is too large")
	}
	return n
}

// skip steps over at most n bytes of a set. It gives how many.
func (r *jsonReader) skip(set string, n int) (stepped int) {
	for ; stepped < n && r.at < len(r.b); stepped++ {
		in := false
		for i := range len(set) {
			in = in || set[i] == r.b[r.at]
		}
		if !in {
			break
		}
		r.at++
	}
	return stepped
}

// text reads a text.
func (r *jsonReader) text() string {
	if !r.take('"') {
		r.fail("want a text")
		return ""
	}
	var s []byte
	for r.at < len(r.b) {
		c := r.b[r.at]
		r.at++
		switch {
		case c == '"':
			if !utf8.Valid(s) {
				r.fail("a text that is not UTF-8")
			}
			return string(s)
		case c < 0x20:
			r.fail("a control character in a text")
			return ""
		case c == '\\':
			s = r.escape(s)
		default:
			s = append(s, c)
		}
	}
	r.fail("a text without an end")
	return ""
}

// escape reads what follows a backslash.
func (r *jsonReader) escape(s []byte) []byte {
	if r.at == len(r.b) {
		return s
	}
	c := r.b[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return append(s, c)
	case 'b':
		return append(s, '\b')
	case 'f':
		return append(s, '\f')
	case 'n':
		return append(s, '\n')
	case 'r':
		return append(s, '\r')
	case 't':
		return append(s, '\t')
	case 'u':
		u := r.unit()
		if utf16.IsSurrogate(u) && r.word(`\u`) {
			u = utf16.DecodeRune(u, r.unit())
		}
		return utf8.AppendRune(s, u)
	}
	r.fail("an unknown escape")
	return s
}

// unit reads the four hex digits of a UTF-16 code unit.
func (r *jsonReader) unit() rune {
	if len(r.b)-r.at < 4 {
		r.fail("an escape is cut off")
		return 0
	}
	n, err := strconv.ParseUint(string(r.b[r.at:r.at+4]), 16, 16)
	if err != nil {
		r.fail("an escape that is no number")
		return 0
	}
	r.at += 4
	return rune(n)
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// unbase64 reads base64url, with or without padding (RFC 8428, 4.3: without).
func unbase64(s string) (string, bool) {
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	var out []byte
	bits, n := uint32(0), 0
	for i := range len(s) {
		digit := -1
		for k := range len(base64url) {
			if base64url[k] == s[i] {
				digit = k
			}
		}
		if digit < 0 {
			return "", false
		}
		bits, n = bits<<6|uint32(digit), n+6
		if n >= 8 {
			n -= 8
			out = append(out, byte(bits>>n))
			bits &= 1<<n - 1
		}
	}
	return string(out), n < 6 && bits == 0
}
