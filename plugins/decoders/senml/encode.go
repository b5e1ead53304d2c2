package main

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Encode implements [guest.Encoder]: one resolved record for each value.
func (s *senml) Encode(w *guest.Wanted, out *guest.Encoded) {
	for i := range w.Values {
		v := &w.Values[i]
		switch {
		case v.Type == abi.TypeNotAvailable:
			out.Fail(v.Name + ": SenML has no place for what is not available")
			return
		case v.Statistic != abi.NoStatistic && v.Statistic != abi.Sum || v.Statistic == abi.Sum && v.Type != abi.TypeNumber:
			out.Fail(v.Name + ": SenML has no place for that statistic")
			return
		}
	}
	if s.cbor {
		out.Payload(toCBOR(w.Values), 0)
		return
	}
	out.Payload(toJSON(w.Values), 0)
}

// valueLabel is the label of a value.
func valueLabel(v *guest.Value) string {
	switch {
	case v.Statistic == abi.Sum:
		return "s"
	case v.Type == abi.TypeText:
		return "vs"
	case v.Type == abi.TypeBool:
		return "vb"
	case v.Type == abi.TypeBytes:
		return "vd"
	}
	return "v"
}

func toJSON(values []guest.Value) []byte {
	b := []byte("[")
	for i := range values {
		v := &values[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = quoted(append(b, `{"n":`...), v.Name)
		if v.Unit != "" {
			b = quoted(append(b, `,"u":`...), v.Unit)
		}
		if v.Offset != 0 {
			b = strconv.AppendFloat(append(b, `,"t":`...), float64(v.Offset)/1000, 'f', -1, 64)
		}
		b = append(b, `,"`+valueLabel(v)+`":`...)
		switch v.Type {
		case abi.TypeText:
			b = quoted(b, v.Text)
		case abi.TypeBool:
			b = strconv.AppendBool(b, v.Bool)
		case abi.TypeBytes:
			b = append(toBase64(append(b, '"'), v.Text), '"')
		default:
			b = strconv.AppendFloat(b, v.Number, 'g', -1, 64)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// quoted appends a text of JSON.
func quoted(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// toBase64 appends base64url without padding.
func toBase64(b []byte, s string) []byte {
	bits, n := uint32(0), 0
	for i := range len(s) {
		bits, n = bits<<8|uint32(s[i]), n+8
		for ; n >= 6; n -= 6 {
			b = append(b, base64url[bits>>(n-6)&63])
		}
	}
	if n > 0 {
		b = append(b, base64url[bits<<(6-n)&63])
	}
	return b
}

func toCBOR(values []guest.Value) []byte {
	b := cborHead(nil, cborArray, uint64(len(values)))
	for i := range values {
		v := &values[i]
		fields := uint64(2)
		if v.Unit != "" {
			fields++
		}
		if v.Offset != 0 {
			fields++
		}
		b = cborHead(b, cborMap, fields)
		b = cborString(cborLabel(b, "n"), cborText, v.Name)
		if v.Unit != "" {
			b = cborString(cborLabel(b, "u"), cborText, v.Unit)
		}
		if v.Offset != 0 {
			b = cborNumber(cborLabel(b, "t"), float64(v.Offset)/1000)
		}
		b = cborLabel(b, valueLabel(v))
		switch v.Type {
		case abi.TypeText:
			b = cborString(b, cborText, v.Text)
		case abi.TypeBool:
			b = append(b, cborSimple<<5|20)
			if v.Bool {
				b[len(b)-1]++
			}
		case abi.TypeBytes:
			b = cborString(b, cborBytes, v.Text)
		default:
			b = cborNumber(b, v.Number)
		}
	}
	return b
}

func cborHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func cborString(b []byte, major byte, s string) []byte {
	return append(cborHead(b, major, uint64(len(s))), s...)
}

func cborLabel(b []byte, label string) []byte {
	for i, l := range cborLabels {
		if l == label {
			return cborNumber(b, float64(i-6))
		}
	}
	return b
}

// cborNumber appends a whole number as one, and another in the shortest float of 4 or 8 bytes that is it.
func cborNumber(b []byte, f float64) []byte {
	switch {
	case f == math.Trunc(f) && math.Abs(f) < 1<<53 && (f != 0 || !math.Signbit(f)):
		if f < 0 {
			return cborHead(b, cborNegint, uint64(-1-int64(f)))
		}
		return cborHead(b, cborUint, uint64(f))
	case float64(float32(f)) == f:
		return binary.BigEndian.AppendUint32(append(b, cborSimple<<5|26), math.Float32bits(float32(f)))
	}
	return binary.BigEndian.AppendUint64(append(b, cborSimple<<5|27), math.Float64bits(f))
}
