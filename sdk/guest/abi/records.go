package abi

import (
	"encoding/binary"
	"errors"
	"math"
)

// AppendPayload appends a decoder's item to dst: head, fixed part, variables, payload. received is in Unix ms, 0: unknown.
func AppendPayload(dst []byte, port uint16, received int64, variables []Value, payload []byte) ([]byte, error) {
	le, start := binary.LittleEndian, len(dst)
	dst = append(dst, make([]byte, PayloadFixed)...)
	if len(variables) > 0 {
		var err error
		if dst, err = AppendValues(dst, variables); err != nil {
			return nil, err
		}
	}
	listed := len(dst) - start - PayloadFixed
	dst = append(dst, payload...)
	for (len(dst)-start)%8 != 0 {
		dst = append(dst, 0)
	}
	item := dst[start:]
	le.PutUint32(item[ItemSize:], uint32(len(item)))
	le.PutUint16(item[ItemKind:], Decode)
	le.PutUint16(item[ItemFixed:], PayloadFixed)
	le.PutUint64(item[PayloadTime:], uint64(received))
	le.PutUint16(item[PayloadPort:], port)
	le.PutUint32(item[PayloadVariables:], uint32(listed))
	le.PutUint32(item[PayloadSize:], uint32(len(payload)))
	return dst, nil
}

// Record is a record of a decoder's output, taken apart. Name, Unit and Value refer to the output.
type Record struct {
	Tag       uint8
	Type      uint8
	Channel   int32
	Bits      uint64 // of the number, or 0 and 1
	Offset    int64  // ms
	Measure   uint8
	Statistic uint8
	Name      []byte
	Unit      []byte
	Value     []byte // of text and bytes; of a warning or an error its text
}

// Number gives the number of a record.
func (r *Record) Number() float64 { return math.Float64frombits(r.Bits) }

// ErrRecord says that an output cannot be taken apart.
var ErrRecord = errors.New("a record's size or one of the sizes in it cannot be")

// ReadRecords takes n records apart. Everything is bounds-checked; what the values mean is not.
func ReadRecords(b []byte, n int) ([]Record, error) {
	if n > MaxRecords {
		return nil, errors.New("there are more than 1024 records")
	}
	list := make([]Record, 0, n)
	for range n {
		if len(b) < NoteFixed {
			return nil, ErrRecord
		}
		size := int(binary.LittleEndian.Uint16(b))
		if size < NoteFixed || size%8 != 0 || size > len(b) {
			return nil, ErrRecord
		}
		r, ok := readRecord(b[:size])
		if !ok {
			return nil, ErrRecord
		}
		list, b = append(list, r), b[size:]
	}
	return list, nil
}

func readRecord(b []byte) (r Record, ok bool) {
	le := binary.LittleEndian
	r.Tag = b[RecordTag]
	if r.Tag == TagWarning || r.Tag == TagError {
		end := NoteFixed + int(le.Uint16(b[NoteText:]))
		if end > len(b) {
			return r, false
		}
		r.Value = b[NoteFixed:end]
		return r, true
	}
	if r.Tag != TagValue || len(b) < RecordFixed {
		return r, false
	}
	r.Type, r.Channel = b[RecordType], int32(le.Uint32(b[RecordChannel:]))
	r.Bits, r.Offset = le.Uint64(b[RecordNumber:]), int64(le.Uint64(b[RecordTime:]))
	r.Measure, r.Statistic = b[RecordMeasure], b[RecordStatistic]
	name := RecordFixed + int(b[RecordName])
	unit := name + int(b[RecordUnit])
	value := unit + int(le.Uint16(b[RecordValue:]))
	if value > len(b) {
		return r, false
	}
	r.Name, r.Unit, r.Value = b[RecordFixed:name], b[name:unit], b[unit:value]
	return r, true
}
