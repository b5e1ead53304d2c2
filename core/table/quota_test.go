package table

import (
	"testing"

	"pgregory.net/rapid"
)

func TestP22QuotaAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		configured := map[FaceID]int{1: rapid.IntRange(0, 40).Draw(t, "share of face 1")}
		q := NewQuota(limit, func(f FaceID) int { return configured[f] })
		share := func(f FaceID) int {
			switch {
			case f == 0:
				return limit
			case configured[f] > 0:
				return configured[f]
			}
			return max(1, limit/8)
		}
		used, total := map[FaceID]int{}, 0
		face := rapid.Custom(func(t *rapid.T) FaceID { return FaceID(rapid.Uint32Range(0, 5).Draw(t, "face")) })
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				f := face.Draw(t, "f")
				want := total < limit && used[f] < share(f)
				if got := q.Take(f); got != want {
					t.Fatalf("Take(%d) = %v with %d of %d used, %d of %d in all", f, got, used[f], share(f), total, limit)
				}
				if want {
					used[f]++
					total++
				}
			},
			"give": func(t *rapid.T) {
				f := face.Draw(t, "f")
				if used[f] == 0 {
					t.Skip("none")
				}
				q.Give(f)
				used[f]--
				total--
			},
			"": func(t *rapid.T) {
				for f := range FaceID(6) {
					if q.Used(f) != used[f] {
						t.Fatalf("Used(%d) = %d, want %d", f, q.Used(f), used[f])
					}
				}
				if q.Total() != total || q.Limit() != limit {
					t.Fatalf("Total %d of %d, want %d of %d", q.Total(), q.Limit(), total, limit)
				}
			},
		})
	})
}

func TestP22OneFaceLeavesRoomForOthers(t *testing.T) {
	q := NewQuota(800, nil)
	n := 0
	for q.Take(1) {
		n++
	}
	if n != 100 {
		t.Errorf("face 1 took %d of 800, want an eighth", n)
	}
	if !q.Take(2) {
		t.Error("face 2 is refused because of face 1")
	}
}

func TestQuotaSteadyStateAllocatesNothing(t *testing.T) {
	q := NewQuota(100, nil)
	f := FaceID(1)
	if n := testing.AllocsPerRun(1000, func() {
		q.Take(f)
		q.Give(f)
		f++ // every time another face, as with on-demand ones
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkQuota(b *testing.B) {
	q := NewQuota(1000, nil)
	b.ReportAllocs()
	for b.Loop() {
		q.Take(7)
		q.Give(7)
	}
}
