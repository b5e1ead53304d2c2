package store

import "github.com/zmesh/zmesh/core/wire"

// The order of the contents of a name: P-1 and P-17. FSEQ has 24 bits and its numbers run 1 … 0xFFFFFE; the store extends
// them to 64 bits, ext = epoch<<24 | FSEQ, as they arrive. Epochs begin at 1, so that there is one before the first for
// late numbers.
const (
	seqBits           = 24
	seqMask           = 1<<seqBits - 1
	firstEpoch uint64 = 1 << seqBits
)

const (
	// backward is how far below the newest a number must be to count as a backward jump (P-1): links reorder, so what is
	// nearer is late. Ours; a subscription's window has 64 numbers as well (P-16).
	backward = 64
	// farAhead is the forward jump beyond which a number must be followed by two successors to become newest (P-17).
	farAhead = 1 << 16
	// epochRun is how many consecutive numbers open a new epoch (P-1).
	epochRun = 3
	// jumpRun is how many consecutive numbers confirm a forward jump: itself and two successors (P-17).
	jumpRun = 3
)

// step is where a number stands to the newest one.
type step uint8

const (
	ahead step = iota // newer
	far               // newer by more than farAhead
	same              // the newest itself
	late              // older by at most backward
	back              // older by more
)

// place extends seq to 64 bits by serial-number arithmetic from the newest (P-1): after 0xFFFFFE comes 1 of the next epoch,
// and a late number that is higher than the newest belongs to the epoch before.
func place(top uint64, seq uint32) (uint64, step) {
	topSeq := uint32(top) & seqMask
	ext := top&^seqMask | uint64(seq)
	switch {
	case seq == topSeq:
		return ext, same
	case wire.Newer(seq, topSeq):
		if seq < topSeq {
			ext += 1 << seqBits
		}
		if (seq-topSeq)&seqMask > farAhead {
			return ext, far
		}
		return ext, ahead
	}
	if seq > topSeq {
		ext -= 1 << seqBits
	}
	if (topSeq-seq)&seqMask > backward {
		return ext, back
	}
	return ext, late
}

// following is the number after seq: 1 after 0xFFFFFE (P-1).
func following(seq uint32) uint32 {
	if seq >= wire.SeqLast {
		return wire.SeqFirst
	}
	return seq + 1
}

// followingExt is the same for an extended number.
func followingExt(ext uint64) uint64 {
	if uint32(ext)&seqMask >= wire.SeqLast {
		return ext&^seqMask + 1<<seqBits + uint64(wire.SeqFirst)
	}
	return ext + 1
}

// advance moves the name's newest on for a content that is ahead, far or same, and tells whether it is now the newest.
// A far one waits for two successors (P-17).
func (e *entry) advance(ext uint64, st step) bool {
	if st == far && !e.confirms(ext) {
		return false
	}
	if st == late || st == back {
		return false
	}
	e.top = max(e.top, ext)
	e.jump, e.jumps = 0, 0
	return true
}

// confirms counts the consecutive numbers of a forward jump.
func (e *entry) confirms(ext uint64) bool {
	switch {
	case e.jumps > 0 && ext == e.jump: // the same number once more, with other bytes or not kept the first time
		return false
	case e.jumps > 0 && ext == followingExt(e.jump):
		e.jumps++
	default:
		e.jumps = 1
	}
	e.jump = ext
	return e.jumps >= jumpRun
}
