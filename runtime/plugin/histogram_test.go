package plugin

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the values are, a percentile is the right one or at most a quarter above it.
func TestPercentiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Uint64Range(0, 40), rapid.Uint64Range(0, 1<<40), rapid.Uint64Max(math.MaxInt64)), 1, 200).Draw(t, "values")
		var a, b histogram
		for k, v := range values {
			if k%2 == 0 {
				a.add(v)
			} else {
				b.add(v)
			}
		}
		p := percentiles([]*histogram{&a, &b})
		slices.Sort(values)
		for percent, got := range map[int]uint64{50: p.P50, 90: p.P90, 99: p.P99} {
			want := values[(len(values)*percent+99)/100-1]
			if got < want || float64(got) > 1.25*float64(want)+1 {
				t.Fatalf("%d%% is %d, want %d; of %v", percent, got, want, values)
			}
		}
		if p.Most != values[len(values)-1] || p.Samples != uint64(len(values)) {
			t.Fatalf("%+v of %v", p, values)
		}
	})
	if p := percentiles([]*histogram{{}}); p != (Percentiles{}) {
		t.Errorf("%+v of nothing", p)
	}
}

// The steps leave no gap and never go down.
func TestStepsOfAHistogram(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<14; v++ {
		k := stepOf(v)
		if k != last && k != last+1 || v > upTo(k) || k > 0 && v <= upTo(k-1) {
			t.Fatalf("%d is in step %d, up to %d; before it %d", v, k, upTo(k), last)
		}
		last = k
	}
	if k := stepOf(math.MaxUint64); k >= len(histogram{}.steps) {
		t.Errorf("step %d", k)
	}
}
