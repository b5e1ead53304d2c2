package table

import (
	"slices"
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

type modelRoute struct {
	net    uint8
	prefix name.Prefix
}

// drawName draws names of few values, so that prefixes meet. 0xFF is the wildcard.
func drawName(t *rapid.T, label string) name.Name {
	var n name.Name
	for i := range n {
		n[i] = rapid.SampledFrom([]byte{0, 1, 2, 0xFF}).Draw(t, label)
	}
	return n
}

func drawPrefix(t *rapid.T) name.Prefix {
	return name.MakePrefix(drawName(t, "prefix"), rapid.Uint8Range(0, name.Size).Draw(t, "length"))
}

func drawHops(t *rapid.T) []Hop {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Hop {
		return Hop{FaceID(rapid.Uint32Range(1, 4).Draw(t, "face")), rapid.Uint16Range(0, 3).Draw(t, "cost")}
	}), 0, 3, func(h Hop) FaceID { return h.Face }).Draw(t, "hops")
}

func TestFIBAgainstModel(t *testing.T) {
	network, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		f, model := NewFIB(testSeed), map[modelRoute][]Hop{}
		net := rapid.Uint8Range(0, 2)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				r, hops := modelRoute{net.Draw(t, "net"), drawPrefix(t)}, drawHops(t)
				f.Set(r.net, r.prefix, hops)
				slices.SortFunc(hops, compareHops)
				model[r] = hops
				if len(hops) == 0 {
					delete(model, r)
				}
			},
			"lookup": func(t *rapid.T) {
				nt, n := net.Draw(t, "net"), drawName(t, "name")
				var want []Hop
				longest := -1
				for r, hops := range model {
					if r.net == nt && r.prefix.Contains(n) && int(r.prefix.Len) > longest {
						longest, want = int(r.prefix.Len), hops
					}
				}
				if got := f.Lookup(name.MakeKey(nt, n)); !slices.Equal(got, want) {
					t.Fatalf("Lookup(%d, %v) = %v, want %v", nt, n, got, want)
				}
			},
			"overlapping": func(t *rapid.T) {
				nt, pattern := net.Draw(t, "net"), drawName(t, "pattern")
				got := map[modelRoute]bool{}
				f.Overlapping(network, nt, pattern, func(p name.Prefix, hops []Hop) {
					if !slices.Equal(hops, model[modelRoute{nt, p}]) {
						t.Fatalf("hops of %v: %v", p, hops)
					}
					got[modelRoute{nt, p}] = true
				})
				for r := range model {
					if want := r.net == nt && network.Overlaps(r.prefix, pattern); got[r] != want {
						t.Fatalf("prefix %v, pattern %v: %v, want %v", r.prefix, pattern, got[r], want)
					}
				}
			},
			"": func(t *rapid.T) {
				if f.Len() != len(model) {
					t.Fatalf("Len %d, want %d", f.Len(), len(model))
				}
			},
		})
	})
}

// The answer of a Lookup stays as it is when the route changes: a worker may hold it during a burst.
func TestFIBSetLeavesOldHopsAlone(t *testing.T) {
	f := NewFIB(testSeed)
	mine := []Hop{{2, 5}, {1, 5}}
	f.Set(0, name.Prefix{}, mine)
	got := f.Lookup(1)
	mine[0] = Hop{9, 9}
	f.Set(0, name.Prefix{}, []Hop{{3, 1}})
	if !slices.Equal(got, []Hop{{1, 5}, {2, 5}}) {
		t.Errorf("hops changed to %v", got)
	}
}

func TestFIBLookupAllocatesNothing(t *testing.T) {
	f := benchmarkFIB()
	if n := testing.AllocsPerRun(1000, func() { f.Lookup(0x010203040506) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func benchmarkFIB() *FIB {
	f := NewFIB(testSeed)
	for i := range uint64(1000) {
		n := name.FromUint48(i * 0x0103050709)
		f.Set(0, name.MakePrefix(n, uint8(1+i%3)), []Hop{{1, 1}})
	}
	f.Set(0, name.Prefix{}, []Hop{{1, 1}})
	return f
}

func BenchmarkFIBLookup(b *testing.B) {
	f := benchmarkFIB()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.Lookup(name.Key(i) * 0x0907050301 & (1<<48 - 1))
	}
}
