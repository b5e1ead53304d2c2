package table

// Slab holds entries that are named by a small index and stay where they are: a pointer from At is good until Free.
// Memory comes in pages and is not given back. Index 0 is never handed out, so that a zero index means none.
// A Slab is not bounded by itself: its owner is. The zero Slab is ready.
type Slab[T any] struct {
	pages []*[pageSize]T
	free  []int32 // last freed, first reused: it is still in the cache
	last  int32   // highest index ever handed out
}

const (
	pageBits = 8
	pageSize = 1 << pageBits
)

// NewSlab makes an empty Slab.
func NewSlab[T any]() *Slab[T] { return new(Slab[T]) }

// Alloc gives the index of a zeroed entry.
func (s *Slab[T]) Alloc() int32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	s.last++
	if int(s.last>>pageBits) >= len(s.pages) {
		s.pages = append(s.pages, new([pageSize]T))
	}
	return s.last
}

// At gives entry i, which must be allocated.
func (s *Slab[T]) At(i int32) *T { return &s.pages[i>>pageBits][i&(pageSize-1)] }

// Free gives entry i back and zeroes it. Nobody may hold its index any longer.
func (s *Slab[T]) Free(i int32) {
	var zero T
	*s.At(i) = zero
	s.free = append(s.free, i)
}

// Len is the number of entries allocated.
func (s *Slab[T]) Len() int { return int(s.last) - len(s.free) }
