// Package store owns the Content Store: which contents are kept, in which order they stand, and what is answered from
// them. A [Shard] is one worker's part of it, in memory; [Backend] is what lies behind it (core/store/disk).
//
// # The order of contents
//
// FSEQ has 24 bits and comes round. The store extends it to 64 bits as contents arrive (ext = epoch<<24 | FSEQ), by the
// rules P-1 and P-17, all of which are in order.go and suspects.go: late numbers keep their place; a far jump forward is
// stored but not newest until two successors follow; a jump backward opens a new epoch only from the producer face, or from
// the face that is the way to it, and after three consecutive numbers, none of which is byte-identical to a stored frame, in memory or on disk.
//
// # Memory
//
// Bodies lie in a log of segments, oldest first, which grows to Config.LogBytes and shrinks with retention. An index finds
// (name, FSEQ) in it; an entry for each name knows its newest, so that "newest" takes no search. Maps are open-addressed
// and keyed with the host's seed. What is full gives way like this, always counted in [Stats]:
//
//   - log or index full: the oldest segment goes; newest contents in it are moved on, up to half of it and what
//     others have left of their half
//   - names full: the name that has had nothing in memory for longest and nothing on disk is forgotten, with its place in
//     the order; if there is none, the newcomer is refused (names_full)
//   - more than a name's rate or a face's share (P-22): not kept, still forwarded
//   - the disk's queue full: not kept, still forwarded; contents of class memory are not affected
//
// # Limits
//
// What is no longer in memory is compared with what arrives: the newest of a name by its MAC, candidates of a new epoch and late numbers
// by asking the disk. Until it has answered, a late number counts as uncommitted. A name that was forgotten begins again at epoch 1. Maps grow in 64 parts, one at a time, but never shrink.
//
// # Durability
//
// What a name's class loses when the power goes:
//
//   - memory: everything. Never written; a confirmation (P-13) is refused
//   - buffered: at most what came since the last sync, 1 s by default. Confirmed after that sync
//   - durable: nothing that was confirmed. Confirmed after fsync
//
// Until it is committed a content is answered from memory to everybody ([Uncommitted]); only the producer that asks its
// own number back waits.
//
// The package knows nothing of frames beyond their bytes, of faces beyond their number, of PIT or subscriptions. Time is
// handed in. It does no I/O and starts no goroutine.
package store
