// Package disk is what lies behind the shards of core/store: contents on disk, in Pebble, for all workers of a node.
//
// # Layout
//
// The data folder holds
//
//	LOCK                        held while a node uses the folder
//	FORMAT                      one line, "zmesh-store 2"; see format.go
//	00000012-1700000000000      one Pebble directory for each hour: its number and when it was begun, Unix ms
//	…/BEGUN                     in each: it was made completely
//	…/SEALED                    in those that have ended and were compacted: nothing in them changes any more
//	…/SHIFT                     in those whose clock was set since: what their dates are off by, ms
//	kept                        one more: the newest contents that keep_newest keeps beyond their hour
//	removed-00000010-…          an hour that is gone; its files are removed in the background
//	damaged-00000011-…          what could not be opened: set aside for whoever wants to look, never read again
//
// An hour is the longest retention / 24, at least one hour, and begins when a content arrives after the last one's end. So
// at most 26 are open, retention is the removal of a directory, and nothing is ever deleted one by one. They are numbered,
// not named by the clock: the order of the numbers is the order of arrival, however the clock is set (clock.go). One that has
// ended is flushed, compacted once, and opened again for reading only (seal.go).
//
// In an hour are two kinds of keys, big-endian:
//
//	name key 8, ext 8           a content: arrival in Unix ms 8, flags 1, body (Content Name … MAC)
//	name key 8 with bit 63 set  the name's pointer: ext of its newest 8, arrival 8, MAC 4, flags 1
//
// The highest number of a name is its newest, but for contents that say that they were not when they came; with those a pointer is
// written, in the same batch, to the one that was, in whatever hour that is. A sealed hour has the pointers of all its names, so after reopening the newest is
// found by reading these and one step for each name of the hour that was being written. The newest never goes back. Numbers of
// workers appear nowhere: a later run may have more or fewer.
//
// # Writing
//
// Shards queue; one goroutine lets contents collect until a durable one is among them, until SyncEvery (1 s) has passed, or until half of
// QueueBytes has come. Then it writes them as one group, makes them safe, and says so. A group of less than a quarter of MemTableBytes goes by
// way of Pebble's log and memtable. A larger one, as they come at a high rate, is sorted and becomes a table at once (table.go), which costs a sixth.
// What a name's class loses when the power goes, or the process is killed:
//
//   - durable: nothing that was confirmed
//   - buffered: what was not confirmed, at most what came within SyncEvery and while that was written. Close writes what waits, so a clean stop
//     loses nothing
//   - memory: never comes here
//
// A late number that may be on disk already is looked up before it is written, and so is what waits in the same group: the first stays (P-17).
//
// # When things go wrong
//
//   - the queue is full: the content is refused, the shard counts it (queue_full), nobody waits
//   - the disk is full or fails: what was not confirmed is reported as failed and stays in memory; the hour is opened again for reading
//     at once, and for writing at growing intervals, and goes on from its last sync. Pebble would end the process; see guard.go
//   - one hour cannot be written to any more, for minutes: another is begun in its stead
//   - MaxBytes is reached: the oldest hours go before their time
//   - an hour cannot be opened or read: it is set aside, an [Event] says so, and the node starts without it
//
// The clock, timers and the file system are handed in.
package disk
