package bench

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/zmesh/zmesh/core/wire"
)

// The system calls of a raw server.
const (
	Plain   = "plain"   // one datagram in each call
	Batched = "batched" // up to 64
	Offload = "offload" // up to 64 messages of up to 64 datagrams each (UDP_GRO, UDP_SEGMENT)
)

// RawOptions is what a raw server is told.
type RawOptions struct {
	Listen   netip.AddrPort
	Calls    string // Plain, Batched or Offload
	Answer   int    // bytes of an answer
	Producer netip.AddrPort
}

// offload is what a socket does in messages of many datagrams: send them (UDP_SEGMENT), receive them (UDP_GRO).
type offload struct{ sends, receives bool }

func both(wanted bool) offload { return offload{wanted, wanted} }

// raw moves datagrams as a forwarder would, and does nothing else: no MAC, no table, no store.
type raw struct {
	*socket
	batched     bool
	answer      int
	producer    *sockaddr
	consumer    sockaddr // who sent the latest Interest for the producer
	subscribers []*sockaddr
}

// Raw runs a raw server until ctx ends. ready is called with its address.
func Raw(ctx context.Context, o RawOptions, ready func(netip.AddrPort)) error {
	if !slices.Contains([]string{Plain, Batched, Offload}, o.Calls) {
		return fmt.Errorf("calls %q: there are %s, %s and %s", o.Calls, Plain, Batched, Offload)
	}
	if o.Answer < wire.MinFrame || o.Answer > wire.MaxFrame {
		return fmt.Errorf("an answer of %d bytes: a frame has %d to %d", o.Answer, wire.MinFrame, wire.MaxFrame)
	}
	s, err := openSocket(o.Listen, both(o.Calls == Offload))
	if err != nil {
		return err
	}
	defer s.close()
	var stopped atomic.Bool
	stop := context.AfterFunc(ctx, func() {
		stopped.Store(true)
		wakeUp(s.local)
	})
	defer stop()
	r := &raw{socket: s, batched: o.Calls != Plain, answer: o.Answer, producer: rawSockaddr(o.Producer)}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ready(s.local)
	for !stopped.Load() {
		if err := r.turn(); err != nil {
			return err
		}
	}
	return nil
}

// wakeUp sends an empty datagram, so that a read which waits returns.
func wakeUp(to netip.AddrPort) {
	if s, err := openSocket(netip.AddrPortFrom(to.Addr(), 0), offload{}); err == nil {
		defer s.close()
		s.queue(rawSockaddr(to), nil)
		s.flush()
	}
}

func (r *raw) turn() (err error) {
	var in []datagram
	if r.batched {
		in, err = r.receive(true)
	} else {
		in, err = r.plainReceive()
	}
	for _, d := range in {
		r.move(d)
	}
	if r.batched {
		r.flush()
	}
	return err
}

// move does with a datagram what its name says.
func (r *raw) move(d datagram) {
	p, ok := read(d.b)
	switch {
	case !ok:
	case p.kind == wire.Interest && p.seq == wire.SeqSubscribe:
		r.subscribe(d.from)
	case p.class == classHit && p.kind == wire.Interest:
		r.send(d.from, d.b[:r.answer]) // what follows it in the buffer, whatever that is
	case p.class == classMiss && p.kind == wire.Interest:
		r.consumer = *d.from
		r.send(r.producer, d.b)
	case p.class == classMiss:
		r.send(&r.consumer, d.b)
	case p.class == classPublish:
		for _, to := range r.subscribers {
			r.send(to, d.b)
		}
	}
}

func (r *raw) send(to *sockaddr, b []byte) {
	if r.batched {
		r.queue(to, b)
		return
	}
	r.plainSend(to, b)
}

func (r *raw) subscribe(from *sockaddr) {
	own := *from
	if !slices.ContainsFunc(r.subscribers, func(s *sockaddr) bool { return *s == own }) {
		r.subscribers = append(r.subscribers, &own)
	}
}
