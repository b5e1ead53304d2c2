package abi

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// AppendPayload appends a decoder's item to dst: head, fixed part, variables, payload. received is in Unix ms, 0: unknown.
func AppendPayload(dst []byte, port uint16, received int64, variables []Value, payload []byte) ([]byte, error) {
	return appendItem(dst, Decode, port, received, variables, payload)
}

// AppendEncode appends the item that has records encoded. now is in Unix ms, 0: unknown.
func AppendEncode(dst []byte, port uint16, now int64, variables []Value, records []Record) ([]byte, error) {
	var body []byte
	for i := range records {
		var err error
		if body, err = AppendRecord(body, &records[i]); err != nil {
			return nil, err
		}
	}
	if len(records) > MaxRecords {
		return nil, errMany
	}
	start := len(dst)
	dst, err := appendItem(dst, Encode, port, now, variables, body)
	if err == nil {
		binary.LittleEndian.PutUint16(dst[start+EncodeCount:], uint16(len(records)))
	}
	return dst, err
}

// AppendDescribe appends the item that asks for the schema.
func AppendDescribe(dst []byte) []byte {
	dst, _ = appendItem(dst, Describe, 0, 0, nil, nil)
	return dst
}

func appendItem(dst []byte, kind, port uint16, time int64, variables []Value, payload []byte) ([]byte, error) {
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
	le.PutUint16(item[ItemKind:], kind)
	le.PutUint16(item[ItemFixed:], PayloadFixed)
	le.PutUint64(item[PayloadTime:], uint64(time))
	le.PutUint16(item[PayloadPort:], port)
	le.PutUint32(item[PayloadVariables:], uint32(listed))
	le.PutUint32(item[PayloadSize:], uint32(len(payload)))
	return dst, nil
}

// Record is a record, taken apart. Name, Unit and Value refer to where it was read.
type Record struct {
	Tag       uint8
	Type      uint8
	Channel   int32
	Bits      uint64 // of the number, or 0 and 1; of a field what it is in; of a payload its port
	Offset    int64  // ms
	Measure   uint8
	Statistic uint8
	Name      []byte
	Unit      []byte
	Value     []byte // of text and bytes; the text of a warning or an error, the help of a field, a payload
}

// Number gives the number of a record.
func (r *Record) Number() float64 { return math.Float64frombits(r.Bits) }

// AppendRecord appends a value or a field.
func AppendRecord(dst []byte, r *Record) ([]byte, error) {
	size := Align(RecordFixed + len(r.Name) + len(r.Unit) + len(r.Value))
	if len(r.Name) > math.MaxUint8 || len(r.Unit) > math.MaxUint8 || size > math.MaxUint16 {
		return nil, errors.New(strconv.Quote(string(r.Name[:min(len(r.Name), 40)])) + ": a name and a unit have at most 255 bytes, and the record 64 KiB")
	}
	start := len(dst)
	dst = append(dst, make([]byte, size)...)
	b, le := dst[start:], binary.LittleEndian
	le.PutUint16(b, uint16(size))
	b[RecordTag], b[RecordType] = r.Tag, r.Type
	le.PutUint32(b[RecordChannel:], uint32(r.Channel))
	le.PutUint64(b[RecordNumber:], r.Bits)
	le.PutUint64(b[RecordTime:], uint64(r.Offset))
	b[RecordMeasure], b[RecordStatistic] = r.Measure, r.Statistic
	b[RecordName], b[RecordUnit] = byte(len(r.Name)), byte(len(r.Unit))
	le.PutUint16(b[RecordValue:], uint16(len(r.Value)))
	b = b[RecordFixed:]
	b = b[copy(b, r.Name):]
	b = b[copy(b, r.Unit):]
	copy(b, r.Value)
	return dst, nil
}

var errMany = errors.New("there are more than 1024 records")

// ErrRecord says that an output cannot be taken apart.
var ErrRecord = errors.New("a record's size or one of the sizes in it cannot be")

// ReadRecords takes n records apart. Everything is bounds-checked; what the values mean is not.
func ReadRecords(b []byte, n int) ([]Record, error) {
	if n > MaxRecords {
		return nil, errMany
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
	if r.Tag == TagWarning || r.Tag == TagError || r.Tag == TagPayload {
		end := NoteFixed + int(le.Uint16(b[NoteText:]))
		if end > len(b) {
			return r, false
		}
		r.Bits, r.Value = uint64(le.Uint16(b[NotePort:])), b[NoteFixed:end]
		return r, true
	}
	if r.Tag != TagValue && r.Tag != TagField || len(b) < RecordFixed {
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
