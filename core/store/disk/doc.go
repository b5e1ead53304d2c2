// Package disk is what lies behind the shards of core/store: contents on disk, in Pebble, for all workers of a node.
//
// # Layout
//
// The data folder holds
//
//	LOCK                        held while a node uses the folder
//	FORMAT                      one line, "zmesh-store 1"
//	00000012-1700000000000      one Pebble directory for each hour: its number and when it was begun, Unix ms
//	…/BEGUN                     in each: it was made completely
//	kept                        one more: the newest contents that keep_newest keeps beyond their hour
//	damaged-00000011-…          what could not be opened: set aside for whoever wants to look, never read again
//
// An hour is the longest retention / 24, at least one hour, and begins when a content arrives after the last one's end. So
// at most 26 are open, retention is the removal of a directory, and nothing is ever deleted one by one. They are numbered,
// not named by the clock, because a gateway's clock may begin in 1970 and jump: the order of the numbers is the order of
// arrival.
//
// In an hour are two kinds of keys, big-endian:
//
//	name key 8, ext 8           a content: arrival in Unix ms 8, flags 1, body (Content Name … MAC)
//	name key 8 with bit 63 set  the name's pointer: ext of its newest 8, arrival 8, MAC 4, flags 1
//
// A content and its name's pointer are written in one batch, and the pointer always names the newest of all, in whatever
// hour that is. So the newest never goes back, and after reopening it is found by reading the pointers alone. Numbers of
// workers appear nowhere: a later run may have more or fewer.
//
// # Writing
//
// Shards queue; one goroutine writes what is queued in one batch, without waiting for more. If a durable content is among
// it the write-ahead log is synced at once, else once in SyncEvery (1 s). What a name's class loses when the power goes:
//
//   - durable: nothing that was confirmed
//   - buffered: at most what came since the last sync. Close syncs, so a clean stop loses nothing
//   - memory: never comes here
//
// # When things go wrong
//
//   - the queue is full: the content is refused, the shard counts it (queue_full), nobody waits
//   - the disk is full or fails: what was not confirmed is reported as failed and stays in memory; the hour is closed and
//     opened again, at growing intervals, and goes on from its last sync. Pebble would end the process; see guard.go
//   - MaxBytes is reached: the oldest hours go before their time
//   - an hour cannot be opened or read: it is set aside, an [Event] says so, and the node starts without it
//
// The clock, timers and the file system are handed in.
package disk
