package abi

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// Types of the values in a list.
const (
	ListText  = 1
	ListInt   = 2 // signed, 64 bits; durations in ns
	ListFloat = 3
	ListBool  = 4
)

// Value is one named value of a configuration or of a device's variables.
type Value struct {
	Name string // dotted where the configuration nests: "retry.first"
	Type uint8  // ListText …
	Text string
	Int  int64
	Num  float64
	Bool bool
}

// The parts of a list of values: a count and then the values.
//
//	0  4  number of values
//	4  4  size of the list
//	8     values:
//	      2  size of this one
//	      1  type
//	      1  size of the name
//	      4  size of the text, 0 if it is none
//	      8  the number: int64 or float64, 0 or 1 for a bool
//	         name, text, padding to a multiple of 8
const (
	listHead  = 8
	valueHead = 16
	maxValue  = math.MaxUint16 &^ 7
)

// AppendValues appends a list of values to dst. It refuses names beyond 255 bytes and values beyond 64 KiB.
func AppendValues(dst []byte, list []Value) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, listHead)...)
	for i := range list {
		v := &list[i]
		size := Align(valueHead + len(v.Name) + len(v.Text))
		if len(v.Name) > math.MaxUint8 || size > maxValue {
			return nil, errors.New(strconv.Quote(v.Name[:min(len(v.Name), 40)]) + ": a name has at most 255 bytes, and with its value 64 KiB")
		}
		dst = appendValue(dst, v, size)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(list)))
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(dst)-start))
	return dst, nil
}

func appendValue(dst []byte, v *Value, size int) []byte {
	end := len(dst) + size
	le := binary.LittleEndian
	dst = le.AppendUint16(dst, uint16(size))
	dst = append(dst, v.Type, byte(len(v.Name)))
	dst = le.AppendUint32(dst, uint32(len(v.Text)))
	dst = le.AppendUint64(dst, v.bits())
	dst = append(append(dst, v.Name...), v.Text...)
	return append(dst, make([]byte, end-len(dst))...)
}

func (v *Value) bits() uint64 {
	switch {
	case v.Type == ListInt:
		return uint64(v.Int)
	case v.Type == ListFloat:
		return math.Float64bits(v.Num)
	case v.Type == ListBool && v.Bool:
		return 1
	}
	return 0
}

var errList = errors.New("the list of values is damaged")

// ReadValues reads a list of values. What it gives does not refer to b.
func ReadValues(b []byte) ([]Value, error) {
	if len(b) < listHead {
		return nil, errList
	}
	n, size := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if size > uint32(len(b)) || size < listHead || n > size/valueHead {
		return nil, errList
	}
	list := make([]Value, 0, n)
	for b = b[listHead:size]; n > 0; n-- {
		v, size, ok := readValue(b)
		if !ok {
			return nil, errList
		}
		list, b = append(list, v), b[size:]
	}
	return list, nil
}

func readValue(b []byte) (v Value, size int, ok bool) {
	if len(b) < valueHead {
		return v, 0, false
	}
	size = int(binary.LittleEndian.Uint16(b))
	name, text := int(b[3]), int(binary.LittleEndian.Uint32(b[4:]))
	if size > len(b) || text > size || valueHead+name+text > size {
		return v, 0, false
	}
	bits := binary.LittleEndian.Uint64(b[8:])
	v.Type, v.Name = b[2], string(b[valueHead:valueHead+name])
	switch v.Type {
	case ListText:
		v.Text = string(b[valueHead+name : valueHead+name+text])
	case ListInt:
		v.Int = int64(bits)
	case ListFloat:
		v.Num = math.Float64frombits(bits)
	case ListBool:
		v.Bool = bits != 0
	}
	return v, size, true
}
