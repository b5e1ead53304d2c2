// Command self-learning is the strategy that asks all next hops for a name that it does not know, remembers which one answered, and
// asks that one alone from then on. When it does not answer any longer, all are asked again.
//
// It owns what it keeps by route: for up to twelve names, or parts of names, the face that answered last. It needs routes to its
// neighbours and no costs; it knows nothing of who is how far away.
package main

import (
	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func init() { guest.ServeStrategy(&learner{}) }

func main() {}

// learner keeps its one setting.
type learner struct {
	levels int // how many bytes of a name have one way
}

// The route's block, schema self-learning/1: twelve records, the one used last first.
const (
	records    = 12
	recordSize = 8
	tagAt      = 0 // uint32: hash of the name's first bytes, 0: none
	faceAt     = 4 // uint32
)

const (
	firstTimeout = 1_000_000 // µs, where nothing is known of a next hop (RFC 6298, 2.1)
	leastSpread  = 10_000    // µs
)

// Configure reads the setting levels, which the host has checked to be 0 … 6.
func (l *learner) Configure(v guest.Values) error {
	l.levels = int(v.Int("levels", 6))
	return nil
}

// Needs asks for what answers an Interest, for measurements, which say how long to wait, and for a block by route.
func (*learner) Needs() guest.Needs {
	return abi.FeatureContent | abi.FeatureMeasures | abi.FeatureScratch
}

// Decide asks whom it knows, or all.
func (l *learner) Decide(ev *guest.Event, do *guest.Commands) {
	tag := l.tag(&ev.Name)
	switch ev.Kind {
	case abi.InterestIn, abi.Renew:
		if known := among(ev.Hops, lookup(ev.Route, tag)); known != nil && known.State&(abi.HopInFace|abi.HopTried) == 0 {
			do.SendTo(known.Face)
			if ev.Kind == abi.InterestIn {
				do.Timer(timeout(known) * 1000)
			}
			return
		}
		do.SendAll()
	case abi.RetryIn, abi.TimerDue:
		relearn(ev, do, tag)
	case abi.ReturnIn:
		if ev.Reason != notHere {
			relearn(ev, do, tag)
		}
	case abi.ContentIn:
		if among(ev.Hops, ev.Face) != nil {
			learn(ev.Route, tag, ev.Face)
		}
	}
}

// notHere is the reason of a Return that no other way could better: the content does not exist.
const notHere = 2

// relearn forgets who was known and asks everyone who was not asked yet.
func relearn(ev *guest.Event, do *guest.Commands, tag uint32) {
	forget(ev.Route, tag)
	for i := range ev.Hops {
		if ev.Hops[i].State&(abi.HopTried|abi.HopInFace) == 0 || ev.Kind == abi.RetryIn {
			do.SendAll()
			return
		}
	}
}

// among finds a face among the next hops.
func among(hops []guest.Hop, face uint32) *guest.Hop {
	for i := range hops {
		if hops[i].Face == face {
			return &hops[i]
		}
	}
	return nil
}

func timeout(h *guest.Hop) int64 {
	if h.RTT == 0 {
		return firstTimeout
	}
	return int64(h.RTT) + max(4*int64(h.Var), leastSpread)
}

// tag is a hash (FNV-1a, 32 bits) of the bytes of a name that count, never 0.
func (l *learner) tag(name *[6]byte) uint32 {
	h := uint32(0x811c9dc5)
	for i := 0; i < l.levels && i < len(name); i++ {
		h = (h ^ uint32(name[i])) * 0x01000193
	}
	return h | 1
}

// lookup gives the face that answered for a tag, or 0.
func lookup(route guest.Scratch, tag uint32) uint32 {
	if at := find(route, tag); at >= 0 {
		return route.Uint32(at + faceAt)
	}
	return 0
}

// find gives where a tag's record is, or -1.
func find(route guest.Scratch, tag uint32) int {
	for at := 0; at+recordSize <= len(route); at += recordSize {
		if route.Uint32(at+tagAt) == tag {
			return at
		}
	}
	return -1
}

// learn puts a record first; the last one gives way to a new one.
func learn(route guest.Scratch, tag, face uint32) {
	if len(route) < records*recordSize {
		return
	}
	at := find(route, tag)
	if at < 0 {
		at = (records - 1) * recordSize
	}
	copy(route[recordSize:at+recordSize], route[:at])
	route.PutUint32(tagAt, tag)
	route.PutUint32(faceAt, face)
}

// forget takes a record out.
func forget(route guest.Scratch, tag uint32) {
	at := find(route, tag)
	if at < 0 {
		return
	}
	copy(route[at:], route[at+recordSize:])
	route.PutInt64((records-1)*recordSize, 0)
}
