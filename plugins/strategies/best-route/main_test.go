package main

import (
	"slices"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func TestDecide(t *testing.T) {
	const tried, in = abi.HopTried, abi.HopInFace
	hops := func(states ...uint16) (list []guest.Hop) {
		for i, s := range states {
			list = append(list, guest.Hop{Face: uint32(10 + i), Cost: uint16(i), State: s})
		}
		return list
	}
	for name, c := range map[string]struct {
		ev   guest.Event
		face uint32 // 0: no command
	}{
		"cheapest":           {guest.Event{Hops: hops(0, 0)}, 10},
		"not the in-face":    {guest.Event{Hops: hops(in, 0)}, 11},
		"not the tried":      {guest.Event{Kind: abi.ReturnIn, Hops: hops(tried|abi.HopReturned, 0)}, 11},
		"producer":           {guest.Event{Hops: hops(abi.HopProducer, 0)}, 10},
		"retry, one left":    {guest.Event{Kind: abi.RetryIn, Hops: hops(tried, 0)}, 11},
		"retry, all tried":   {guest.Event{Kind: abi.RetryIn, Hops: hops(tried, tried)}, 10},
		"retry from there":   {guest.Event{Kind: abi.RetryIn, Hops: hops(tried|in, tried)}, 11},
		"return, all tried":  {guest.Event{Kind: abi.ReturnIn, Hops: hops(tried, tried)}, 0},
		"renew, all tried":   {guest.Event{Kind: abi.Renew, Hops: hops(tried)}, 0},
		"nowhere to go":      {guest.Event{Hops: nil}, 0},
		"only the in-face":   {guest.Event{Kind: abi.RetryIn, Hops: hops(in)}, 0},
		"interest, all done": {guest.Event{Kind: abi.InterestIn, Hops: hops(tried, tried)}, 0},
	} {
		var want []guest.Command
		if c.face != 0 {
			want = []guest.Command{{Op: abi.SendTo, Face: c.face}}
		}
		if got := guest.RunStrategy(bestRoute{}, c.ev); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
