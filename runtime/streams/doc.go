// Package streams holds tests of streams from end to end: the node library (sdk/node) over forwarders (core/forward), on links that
// lose, repeat and reorder frames, for subscribers, sleepers and large numbers of both.
//
// Most run in core/mesh under the virtual time of testing/synctest, so that a week takes seconds; their seed decides what the links do.
// What the clocks of two worlds cannot show runs once on real UDP, through a relay that treats datagrams as badly, and the large numbers in
// nodes made from a configuration, as an operator would.
//
// The package has no code of its own: it stands here because only runtime may know both sides.
package streams
