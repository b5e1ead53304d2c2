package host

import (
	"slices"
	"testing"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
)

// asking is a strategy that wants something, so that it is known by that.
type asking struct {
	forward.BestRoute
	wants forward.Wants
}

func (a asking) Needs(name.Name) forward.Needs { return forward.Needs{Wants: a.wants} }

// A route concerns the strategy of its prefix and those of longer prefixes below it, and no other.
func TestChooserWithin(t *testing.T) {
	prefix := func(b ...byte) name.Prefix {
		var n name.Name
		copy(n[:], b)
		return name.MakePrefix(n, uint8(len(b)))
	}
	c := &chooser{}
	c.table.Store(&[]chosen{{prefix(1, 2), asking{wants: 1}}, {prefix(1), asking{wants: 2}}, {prefix(3), asking{wants: 4}}})
	for _, w := range []struct {
		p    name.Prefix
		want []forward.Wants
	}{
		{prefix(), []forward.Wants{0, 1, 2, 4}},
		{prefix(1), []forward.Wants{2, 1}},
		{prefix(1, 2), []forward.Wants{1}},
		{prefix(1, 2, 3), []forward.Wants{1}},
		{prefix(1, 3), []forward.Wants{2}},
		{prefix(9), []forward.Wants{0}},
	} {
		var got []forward.Wants
		c.Within(w.p, func(n name.Name) {
			got = append(got, c.Needs(n).Wants)
			if !w.p.Contains(n) {
				t.Errorf("%v is not under %v", n, w.p)
			}
		})
		if !slices.Equal(got, w.want) {
			t.Errorf("%v: %v, want %v", w.p, got, w.want)
		}
	}
}

// gathering answers with its number, and counts its calls.
type gathering struct {
	asking
	face  forward.FaceID
	calls *int
}

func (g gathering) DecideAll(events []forward.Event, out [][]forward.Command) {
	*g.calls++
	for k := range events {
		out[k] = append(out[k], forward.Command{Face: g.face})
	}
}

// Each event goes to the strategy of its name, and what stands together goes in one call.
func TestChooserDecideAll(t *testing.T) {
	c, calls := &chooser{}, [2]int{}
	at := func(b byte) name.Prefix { return name.MakePrefix(name.Name{b}, 1) }
	c.table.Store(&[]chosen{{at(1), gathering{face: 11, calls: &calls[0]}}, {at(2), gathering{face: 12, calls: &calls[1]}}, {at(3), asking{}}})
	var events []forward.Event
	for _, b := range []byte{1, 1, 1, 2, 3, 3, 1, 2, 2} {
		events = append(events, forward.Event{Name: name.Name{b, 5}, Hops: []forward.NextHop{{Face: 13}}})
	}
	out := make([][]forward.Command, len(events))
	c.DecideAll(events, out)
	for k, list := range out {
		want := 10 + forward.FaceID(events[k].Name[0])
		if events[k].Name[0] == 2 && k == 3 { // it stands alone
			want = 13
		}
		if events[k].Name[0] == 1 && k == 6 {
			want = 13
		}
		if len(list) != 1 || list[0].Face != want {
			t.Errorf("event %d of %v: %+v, want face %d", k, events[k].Name, list, want)
		}
	}
	if calls != [2]int{1, 1} {
		t.Errorf("%v calls, want one for three and one for two", calls)
	}
}
