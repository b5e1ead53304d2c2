// Package host builds a running node from a configuration and takes it down again. Here, and nowhere else, everything is put
// together: the forwarder of core/forward with time, randomness, the store's folder, the links of faces/…, plugins, the
// admin API and metrics.
//
// The words of the life cycle are meant literally. [New] provisions: it opens what may fail (the store's folder, sockets,
// plugins), and what it opened it closes again when something does. [Host.Run] runs until its context ends. [Host.Reload] compares a new
// configuration with the one in force and applies all of it or nothing. Close cleans up: what was published is on the disk
// when it returns.
//
// It owns the node's one clock and the goroutine that drives the forwarder's timers.
package host
