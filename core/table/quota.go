package table

// DefaultShare is which part of a table a face may fill unless its configuration says more: an eighth (P-22).
const DefaultShare = 8

// Quota counts the entries of a table by face, against a limit for all and a share for each face (P-22), so that one face
// cannot take the table from the others. When either is full, it refuses the newcomer; nothing is evicted. The shares
// together may be more than the limit. The node itself, face 0, has no share to keep to.
type Quota struct {
	limit int
	share func(FaceID) int
	used  *Map[FaceID, int]
	total int

	last      FaceID // whose share was asked for last: most Interests in a row come from one face
	lastShare int
	lastUsed  *int // its entries, where used has them; nil: not looked up
}

// NewQuota makes a Quota for a table of limit entries. share gives the entries that a face is configured for; 0, or share
// being nil, means the default, an eighth of the limit and at least 1. A face's share must not change.
func NewQuota(limit int, share func(FaceID) int) *Quota {
	return &Quota{limit: limit, share: share, used: NewMap[FaceID, int](FaceID.hash)}
}

// hash needs no seed: the node numbers its faces itself. The factor is 2^64 divided by the golden ratio; what it puts
// into the high bits is wanted in the low ones.
func (f FaceID) hash() uint64 { return uint64(f) * 0x9e3779b97f4a7c15 >> 32 }

// keptFaces is how many faces without an entry are kept: most have one again with the next frame.
const keptFaces = 64

// Take counts one more entry of face, or tells that there is no room.
func (q *Quota) Take(face FaceID) bool {
	used := q.of(face)
	had := 0
	if used != nil {
		had = *used
	}
	if !q.fits(face, had) {
		return false
	}
	q.total++
	if used != nil {
		*used++
		return true
	}
	q.used.Put(face, 1)
	q.lastUsed = nil // it may have moved
	return true
}

// of gives where the entries of face are counted, nil if it has had none.
func (q *Quota) of(face FaceID) *int {
	if face == q.last && q.lastUsed != nil {
		return q.lastUsed
	}
	used := q.used.Ptr(face)
	if face == q.last {
		q.lastUsed = used
	}
	return used
}

// Room tells whether Take would count one more entry of face.
func (q *Quota) Room(face FaceID) bool { return q.fits(face, q.Used(face)) }

func (q *Quota) fits(face FaceID, used int) bool {
	return q.total < q.limit && (face == 0 || used < q.Share(face))
}

// Give takes one entry of face out of the count. Each Give belongs to one Take.
func (q *Quota) Give(face FaceID) {
	used := q.of(face)
	q.total--
	if *used--; *used == 0 && q.used.Len() > keptFaces {
		q.used.Delete(face) // faces come and go
		q.lastUsed = nil
	}
}

// Share is how many entries face may have.
func (q *Quota) Share(face FaceID) int {
	if face != q.last || face == 0 {
		q.last, q.lastShare, q.lastUsed = face, q.shareOf(face), nil
	}
	return q.lastShare
}

func (q *Quota) shareOf(face FaceID) int {
	if q.share != nil {
		if n := q.share(face); n > 0 {
			return n
		}
	}
	return max(1, q.limit/DefaultShare)
}

// Used is how many entries face has.
func (q *Quota) Used(face FaceID) int {
	if used := q.of(face); used != nil {
		return *used
	}
	return 0
}

// Total is how many entries all faces have.
func (q *Quota) Total() int { return q.total }

// Limit is how many entries all faces may have.
func (q *Quota) Limit() int { return q.limit }
