package table

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSlabAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Slab[int]
		model := map[int32]int{}
		where := map[int32]*int{}
		var order []int32
		t.Repeat(map[string]func(*rapid.T){
			"alloc": func(t *rapid.T) {
				for range rapid.IntRange(1, 200).Draw(t, "many") {
					i := s.Alloc()
					if _, dup := model[i]; i == 0 || dup {
						t.Fatalf("Alloc gave %d, in use: %v", i, dup)
					}
					if *s.At(i) != 0 {
						t.Fatalf("entry %d is not zero", i)
					}
					*s.At(i), where[i] = int(i)*3, s.At(i)
					model[i] = int(i) * 3
					order = append(order, i)
				}
			},
			"free": func(t *rapid.T) {
				if len(order) == 0 {
					t.Skip("empty")
				}
				n := rapid.IntRange(0, len(order)-1).Draw(t, "n")
				s.Free(order[n])
				delete(model, order[n])
				order = append(order[:n], order[n+1:]...)
			},
			"": func(t *rapid.T) {
				if s.Len() != len(model) {
					t.Fatalf("Len %d, want %d", s.Len(), len(model))
				}
				for i, v := range model {
					if *s.At(i) != v || s.At(i) != where[i] {
						t.Fatalf("entry %d changed or moved", i)
					}
				}
			},
		})
	})
}

func TestSlabSteadyStateAllocatesNothing(t *testing.T) {
	var s Slab[[64]byte]
	s.Free(s.Alloc())
	if n := testing.AllocsPerRun(1000, func() { s.Free(s.Alloc()) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkSlab(b *testing.B) {
	var s Slab[[64]byte]
	b.ReportAllocs()
	for b.Loop() {
		s.Free(s.Alloc())
	}
}
