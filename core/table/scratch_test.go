package table_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
)

// What is kept of a route is there as long as the route is, whatever becomes of its next hops and of other routes.
func TestRouteStateLivesAsLongAsItsRoute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := table.NewFIB(table.Seed{1, 2})
		model := map[name.Prefix]byte{} // what was written to the block, of the routes that there are
		prefixes := []name.Prefix{{}, {Len: 1, Name: name.Name{1}}, {Len: 2, Name: name.Name{1, 2}}, {Len: 1, Name: name.Name{2}}}
		var none byte
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			p := rapid.SampledFrom(prefixes).Draw(t, "prefix")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				f.Set(0, p, []table.Hop{{Face: table.FaceID(rapid.IntRange(1, 9).Draw(t, "face"))}})
				model[p] += 0
			case 1:
				f.Set(0, p, nil)
				delete(model, p)
			default:
				n := name.Name{rapid.ByteRange(0, 3).Draw(t, "byte"), rapid.ByteRange(0, 3).Draw(t, "byte")}
				want, best := &none, -1
				for have := range model {
					if have.Contains(n) && int(have.Len) > best {
						best = int(have.Len)
					}
				}
				value := none
				var at name.Prefix
				if best >= 0 {
					at = name.MakePrefix(n, uint8(best))
					value = model[at]
				}
				block := f.State(name.MakeKey(0, n)).Scratch(1)
				if block.Bytes[5] != value {
					t.Fatalf("%v: %d, want %d", n, block.Bytes[5], value)
				}
				block.Bytes[5]++
				if best >= 0 {
					model[at]++
				} else {
					*want++
				}
			}
		}
	})
}

// A route has a few blocks and a few next hops, no matter how many ask.
func TestRouteStateIsBounded(t *testing.T) {
	s := &table.RouteState{}
	for owner := range uint32(100) {
		b := s.Scratch(owner + 1)
		if b.Owner != owner+1 || b.Bytes[0] != 0 {
			t.Fatalf("owner %d: %+v", owner, b)
		}
		b.Bytes[0] = 1
	}
	if s.Scratch(100).Bytes[0] != 1 || s.Scratch(1).Bytes[0] != 0 {
		t.Error("the last owner's block is gone, or the first's is still there")
	}
	for face := range table.FaceID(100) {
		s.MakePath(face + 1).Asked(time.Duration(face + 1))
	}
	kept := 0
	for face := range table.FaceID(100) {
		if s.Path(face+1) != nil {
			kept++
		}
	}
	if kept != table.MaxPaths || s.Path(100) == nil || s.Path(1) != nil {
		t.Errorf("%d next hops kept, want the last %d", kept, table.MaxPaths)
	}
}

// A block of a pending Interest ends with it: the next Interest in its place begins with zeros.
func TestPendingScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := table.NewPIT(table.Seed{3, 4}, table.NewQuota(100, nil), 1)
		model := map[uint32]byte{}
		touched := map[uint32]bool{}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			seq := rapid.Uint32Range(1, 6).Draw(t, "seq")
			key := table.PITKey{Name: name.MakeKey(0, name.Name{1}), Seq: seq}
			e := p.Find(key)
			switch {
			case e == nil:
				p.Insert(key, 0)
				model[seq] = 0
			case rapid.IntRange(0, 3).Draw(t, "remove") == 0:
				p.Remove(e)
				delete(model, seq)
				delete(touched, seq)
			default:
				b := p.Scratch(e, 7)
				if b.Bytes[9] != model[seq] {
					t.Fatalf("%d: %d, want %d", seq, b.Bytes[9], model[seq])
				}
				b.Bytes[9]++
				model[seq]++
				touched[seq] = true
			}
			if p.Scratches() != len(touched) {
				t.Fatalf("%d blocks, want %d", p.Scratches(), len(touched))
			}
		}
	})
}

// Loss stays within its range whatever comes, and goes where it should.
func TestPathLoss(t *testing.T) {
	p := &table.Path{}
	for range 1000 {
		p.Lost()
	}
	if p.Loss < 65000 {
		t.Errorf("all lost: %d", p.Loss)
	}
	for range 1000 {
		p.Came()
	}
	if p.Loss > 10 {
		t.Errorf("none lost: %d", p.Loss)
	}
	p.Sample(time.Hour * 24 * 365)
	p.Sample(0)
	if p.Timeout() < 0 || p.RTT == 0 {
		t.Errorf("%+v, timeout %v", p, p.Timeout())
	}
}
