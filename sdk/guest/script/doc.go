// Package script owns the text form of scripted events: what happens to a strategy or a driver, and what it is to do. The same
// file is run by a plugin's native tests ([Run]), by `zmesh plugin test` against the module in the real engine, and by a node
// before it lets the plugin work.
//
//	# A comment. Everything up to the first blank line or ---- is one event: its own line first, then its details.
//	config faces=2
//
//	interest name=010203010000 seq=5 in=3
//	hop face=4 cost=10
//	hop face=5 cost=20
//	----
//	send first 2
//
//	return at=+20ms name=010203010000 seq=5 in=3 reason=no-route
//	hop face=4 cost=10 state=tried,returned
//	----
//	nothing
//
// A line is a word and fields: key=value, where a value with blanks is quoted as in Go. A # after a blank begins a comment. What
// follows ---- up to a blank line is what is expected, compared line by line; -update and --write put there what came.
//
// A file is one life: what the host keeps for the plugin (time, scratch, timers) goes from one event to the next, as does what
// the plugin keeps in its memory. config starts a new life: another instance, with those settings and nothing kept; restart another
// instance that finds what the host has kept, as after a trap or a swap.
//
// Each kind of plugin has a file here that knows its events and commands: strategy.go, driver.go. The package knows nothing of wasm or the
// host: it writes items of the input region, and reads items of the output region.
package script
