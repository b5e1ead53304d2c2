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
