// Package forward owns what happens to a frame between the face it came in on and those it leaves by: the rules P-1 to
// P-24 of the protocol page, applied to the tables of core/table and the store of core/store.
//
// # The way of a frame
//
// Whoever reads a link has an [Ingress] and hands it the frames of one read ([Ingress.Add]). The Ingress parses each,
// finds its network, verifies its MAC, and sorts the frames by worker, chosen by the hash of network and Content Name.
// [Ingress.Run] then takes each worker's mutex once and runs its frames to completion: Interests against the store, the
// PIT and the subscriptions, then through the strategy to faces; Contents through admission into the store and out to
// everyone who waits. What is to go out is queued by face and handed to the links once, before the mutex is released.
// Hellos and Announcements concern the whole node and go to the control plane instead, behind the [Node]'s mutex.
//
// # What it must not know
//
// Sockets, files, wasm, the time of day. Time comes in with each burst as a [Now], randomness from [Config.Random], faces as
// [Link], the store as [Store]. Nothing here starts a goroutine, so the same code runs under a virtual clock (core/mesh).
//
// # Locks
//
// Node.mu before Worker.mu; a worker never takes the node's. No other locks are held while a frame is on its way. A Link's Send is
// called under a worker's mutex and must not block or call back.
package forward
