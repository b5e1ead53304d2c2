package main

import (
	"math"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Encode implements [guest.Encoder]: each value with its channel, in the order given. A type of several parts wants them all, in order
// and on one channel.
func (cayenne) Encode(w *guest.Wanted, out *guest.Encoded) {
	var b []byte
	for left := w.Values; len(left) > 0; {
		k := kindOf(left)
		switch {
		case k == nil:
			out.Fail(left[0].Name + " is no type, or not all parts of one: acceleration wants _x, _y and _z, a position latitude, longitude and altitude")
			return
		case left[0].Channel < 0 || left[0].Channel > 255:
			out.Fail(left[0].Name + " wants a channel from 0 to 255, like " + left[0].Name + "_1")
			return
		}
		b = append(b, byte(left[0].Channel), k.code)
		for i := range k.parts {
			p := &k.parts[i]
			raw, ok := p.raw(&left[i])
			if !ok {
				out.Fail(left[i].Name + " is beyond what its " + decimal(byte(p.size)) + " bytes can say")
				return
			}
			for shift := 8 * (p.size - 1); shift >= 0; shift -= 8 {
				b = append(b, byte(raw>>shift))
			}
		}
		left = left[len(k.parts):]
	}
	out.Payload(b, 0)
}

// kindOf finds the type that values begin with; nil if there is none.
func kindOf(values []guest.Value) *kind {
	for i := range kinds {
		k := &kinds[i]
		fits := len(k.parts) <= len(values)
		for n := 0; fits && n < len(k.parts); n++ {
			v, p := &values[n], &k.parts[n]
			fits = v.Name == p.name && v.Unit == p.unit && v.Channel == values[0].Channel && v.Statistic == abi.NoStatistic &&
				(v.Type == abi.TypeBool) == k.flag && (v.Type == abi.TypeBool || v.Type == abi.TypeNumber)
		}
		if fits {
			return k
		}
	}
	return nil
}

// raw gives the number that is sent for a value. ok is false if it does not fit.
func (p *part) raw(v *guest.Value) (n int64, ok bool) {
	if v.Type == abi.TypeBool {
		if v.Bool {
			n = 1
		}
		return n, true
	}
	f := math.Round(v.Number * p.steps / p.times)
	low, high := 0.0, math.Ldexp(1, 8*p.size)-1
	if p.signed {
		low, high = -math.Ldexp(1, 8*p.size-1), math.Ldexp(1, 8*p.size-1)-1
	}
	return int64(f), f >= low && f <= high
}
