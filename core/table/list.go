package table

// links is where an entry of a Slab stands in a list: the indices before and after it, 0 at the ends.
type links struct{ prev, next int32 }

// list is a doubly linked list through entries of a Slab, so that an entry leaves it in constant time. Each call is
// handed at, which finds the links of an entry: one entry may stand in several lists.
type list struct{ first, last int32 }

func (l *list) push(i int32, at func(int32) *links) {
	*at(i) = links{prev: l.last}
	if l.last != 0 {
		at(l.last).next = i
	} else {
		l.first = i
	}
	l.last = i
}

func (l *list) remove(i int32, at func(int32) *links) {
	n := at(i)
	if n.prev != 0 {
		at(n.prev).next = n.next
	} else {
		l.first = n.next
	}
	if n.next != 0 {
		at(n.next).prev = n.prev
	} else {
		l.last = n.prev
	}
	*n = links{}
}
