package abi

import "encoding/binary"

// DriverItem is an item of a driver's input, for whoever plays the host.
type DriverItem struct {
	Kind      uint16
	Time      uint64 // ns
	Peer      uint32
	PeerBlock uint32 // offset in the state region
	LinkSize  uint16 // of the link's block
	PeerSize  uint16 // of the peer's block
	Seen      uint32
	Data      []byte
}

// Size is how many bytes the item takes.
func (i *DriverItem) Size() int { return Align(DriverFixed + len(i.Data)) }

// Put writes the item to the beginning of b, which has room for it, and gives its size.
func (i *DriverItem) Put(b []byte) int {
	size, le := i.Size(), binary.LittleEndian
	b = b[:size]
	le.PutUint32(b[ItemSize:], uint32(size))
	le.PutUint16(b[ItemKind:], i.Kind)
	le.PutUint16(b[ItemFixed:], DriverFixed)
	le.PutUint64(b[DriverTime:], i.Time)
	le.PutUint32(b[DriverPeer:], i.Peer)
	le.PutUint32(b[DriverPeerBlock:], i.PeerBlock)
	le.PutUint16(b[DriverLinkSize:], i.LinkSize)
	le.PutUint16(b[DriverPeerSize:], i.PeerSize)
	le.PutUint32(b[DriverSize:], uint32(len(i.Data)))
	le.PutUint64(b[DriverSeen:], uint64(i.Seen))
	clear(b[copy(b[DriverFixed:], i.Data)+DriverFixed:])
	return size
}

// DriverRecord is a record of a driver's output. Data stands in what it was read from.
type DriverRecord struct {
	Tag    uint8
	Signal int8
	Peer   uint32
	Data   []byte
}

// NextDriverRecord reads the record that b begins with and gives what follows it; ok is false if a size or the tag cannot be.
func NextDriverRecord(b []byte) (r DriverRecord, rest []byte, ok bool) {
	if len(b) < OutFixed {
		return r, nil, false
	}
	size, data := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[OutDataSize:])
	r.Tag, r.Signal, r.Peer = b[OutTag], int8(b[OutSignal]), binary.LittleEndian.Uint32(b[OutPeer:])
	if size < OutFixed || size%8 != 0 || size > uint32(len(b)) || data > size-OutFixed || r.Tag != TagFrame && r.Tag != TagBytes {
		return r, nil, false
	}
	r.Data = b[OutFixed : OutFixed+data]
	return r, b[size:], true
}
