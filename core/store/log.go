package store

import (
	"encoding/binary"
	"time"
)

// pos is where a record begins: its segment's number times the segment's size, plus the offset in it. Numbers begin at 1
// and are never used again, so that 0 means none and what was evicted is known by being below the first segment.
type pos uint64

// recordLog is a ring of segments that hold records one after the other. It grows segment by segment up to its bound and
// gives segments back when they are dropped, so an idle node stays small. A record never spans two segments: a body can be
// handed out as one slice.
type recordLog struct {
	bits        uint      // a segment has 1<<bits bytes
	limit       int       // segments in use, while none is being evicted
	ring        []segment // a power of two of them, at least one more than the limit
	mask        uint64
	open        *segment // the one that is written to: segment(head)
	first, head uint64   // numbers of the oldest and of the open segment
	spare       []byte   // the segment dropped last: taken for the next one
	used        int      // bytes of records, those of dropped ones included
}

type segment struct {
	buf  []byte
	used int
	last time.Duration // latest arrival among records that age; 0 if there are none
}

const (
	maxSegmentBits = 16 // 64 KiB: what is evicted at once takes some 50 µs
	minSegmentBits = 13
	minSegments    = 4
)

func newLog(bytes int) recordLog {
	bits := uint(maxSegmentBits)
	for bits > minSegmentBits && bytes>>bits < 2*minSegments {
		bits--
	}
	limit := max(minSegments, bytes>>bits)
	ring := 1
	for ring < limit+1 {
		ring *= 2
	}
	l := recordLog{bits: bits, limit: limit, ring: make([]segment, ring), mask: uint64(ring - 1), first: 1}
	l.next()
	return l
}

func (l *recordLog) segment(number uint64) *segment { return &l.ring[number&l.mask] }
func (l *recordLog) segments() int                  { return int(l.head - l.first + 1) }
func (l *recordLog) holds(p pos) bool               { return p != 0 && uint64(p)>>l.bits >= l.first }

// next begins a new segment. The caller evicts one if there are now more than the limit.
func (l *recordLog) next() {
	l.head++
	s := l.segment(l.head)
	l.open = s
	*s = segment{buf: l.spare}
	l.spare = nil
	if s.buf == nil {
		s.buf = make([]byte, 1<<l.bits)
	}
}

// dropFirst forgets the oldest segment, which is not the open one.
func (l *recordLog) dropFirst() {
	s := l.segment(l.first)
	l.used -= s.used
	l.spare = s.buf
	*s = segment{}
	l.first++
}

func (l *recordLog) room(size int) bool { return l.open.used+size <= 1<<l.bits }

// record layout, in host order (it never leaves the process):
//
//	0   8  ext, epoch<<24 | FSEQ
//	8   8  pos of the record of the same name and FSEQ that was stored before; 0: none
//	16  8  arrival in ns since the node's start; negative for what an earlier run stored
//	24  4  entry of the name
//	28  4  face
//	32  2  length of the body
//	34  1  flags
//	35  5  unused
//	40  n  body, filled up to a multiple of 8
type record []byte

const recordHeader = 40

// orphan is the entry of a record whose name was cleared.
const orphan = 0

// Flags of a record.
const (
	fromProducer = 1 << iota // came from the name's producer face (P-17)
	covered                  // came through a live upstream subscription (P-16)
	queued                   // the backend has it, or had it
	committed                // as safe as its class promises
	failed                   // the backend could not write it
)

func recordSize(body int) int { return (recordHeader + body + 7) &^ 7 }

// end is the place of the record that is added next, if the head has room for it.
func (l *recordLog) end() pos { return pos(l.head<<l.bits | uint64(l.open.used)) }

// add makes a record of body at the end of the head, which has room. Its header is the caller's to write.
func (l *recordLog) add(body []byte) record {
	s, size := l.open, recordSize(len(body))
	r := record(s.buf[s.used : s.used+size])
	copy(r[recordHeader:], body)
	s.used += size
	l.used += size
	return r
}

// at gives the record at p, which is held.
func (l *recordLog) at(p pos) record {
	s := l.segment(uint64(p) >> l.bits)
	return record(s.buf[uint64(p)&(1<<l.bits-1) : s.used])
}

func (r record) ext() uint64            { return binary.NativeEndian.Uint64(r) }
func (r record) prev() pos              { return pos(binary.NativeEndian.Uint64(r[8:])) }
func (r record) arrived() time.Duration { return time.Duration(binary.NativeEndian.Uint64(r[16:])) }
func (r record) entry() uint32          { return binary.NativeEndian.Uint32(r[24:]) }
func (r record) face() uint32           { return binary.NativeEndian.Uint32(r[28:]) }
func (r record) setFace(face uint32)    { binary.NativeEndian.PutUint32(r[28:], face) }
func (r record) disown()                { binary.NativeEndian.PutUint32(r[24:], orphan) }
func (r record) length() int            { return int(binary.NativeEndian.Uint16(r[32:])) }
func (r record) flags() uint8           { return r[34] }
func (r record) set(flags uint8)        { r[34] = flags }
func (r record) body() []byte           { n := recordHeader + r.length(); return r[recordHeader:n:n] }
func (r record) seq() uint32            { return uint32(r.ext()) & seqMask }
func (r record) is(flag uint8) bool     { return r[34]&flag != 0 }
func (r record) size() int              { return recordSize(r.length()) }
func (r record) setPrev(p pos)          { binary.NativeEndian.PutUint64(r[8:], uint64(p)) }

func (r record) init(ext uint64, prev pos, arrived time.Duration, entry, face uint32, length int, flags uint8) {
	binary.NativeEndian.PutUint64(r, ext)
	r.setPrev(prev)
	binary.NativeEndian.PutUint64(r[16:], uint64(arrived))
	binary.NativeEndian.PutUint32(r[24:], entry)
	binary.NativeEndian.PutUint32(r[28:], face)
	binary.NativeEndian.PutUint16(r[32:], uint16(length))
	r[34] = flags
}
