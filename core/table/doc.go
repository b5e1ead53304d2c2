// Package table owns what a forwarder remembers: the FIB and the routes behind it (P-7), pending Interests,
// subscriptions (P-16), what was seen (P-2a, P-11), who produces a name (P-17) and the shares of the faces (P-22).
//
// Every table is bounded and says what it does when full. None has a lock, a goroutine or a clock: a worker's mutex
// guards its tables, and time is handed in as now, a monotonic time.Duration since the node started. Hashes are seeded,
// so that names chosen by a stranger do not fall into one chain. In steady state nothing allocates; tables grow by
// doubling and never shrink.
//
// The parts that the tables are made of stand here too: [Map] (open addressing), [Slab] (entries with stable
// pointers), [Wheel] (timers) and [Quota] (shares). All are deterministic: the same calls give the same answers in the
// same order, as simulations need.
//
// The package does not know frames beyond their names and numbers, nor how anything is sent.
package table

// FaceID names a face of the node. 0 is no face, or the node itself.
type FaceID uint32
