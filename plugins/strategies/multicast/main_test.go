package main

import (
	"slices"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

func configured(t *testing.T, faces int64) *multicast {
	t.Helper()
	m := &multicast{}
	if err := m.Configure(guest.MakeValues(abi.Value{Name: "faces", Type: abi.ListInt, Int: faces})); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDecide(t *testing.T) {
	all, two := []guest.Command{{Op: abi.SendAll}}, []guest.Command{{Op: abi.SendFirst, N: 2}}
	for _, kind := range []uint16{abi.InterestIn, abi.RetryIn, abi.Renew} {
		ev := guest.Event{Kind: kind, Hops: []guest.Hop{{Face: 2}, {Face: 3, State: abi.HopTried}}}
		if got := guest.RunStrategy(configured(t, 0), ev); !slices.Equal(got, all) {
			t.Errorf("event %d: %+v", kind, got)
		}
		if got := guest.RunStrategy(configured(t, 2), ev); !slices.Equal(got, two) {
			t.Errorf("event %d with two faces: %+v", kind, got)
		}
	}
}

// After a Return only next hops that nobody has asked are news.
func TestReturn(t *testing.T) {
	const gone = abi.HopTried | abi.HopReturned
	hops := []guest.Hop{{Face: 2, State: gone}, {Face: 3, State: abi.HopTried}, {Face: 4}, {Face: 5}, {Face: 6, State: abi.HopInFace}}
	for faces, want := range map[int64][]guest.Command{
		0: {{Face: 4}, {Face: 5}},
		1: {},
		2: {{Face: 4}},
	} {
		if got := guest.RunStrategy(configured(t, faces), guest.Event{Kind: abi.ReturnIn, Hops: hops}); !slices.Equal(got, want) {
			t.Errorf("%d faces: %+v, want %+v", faces, got, want)
		}
	}
}
