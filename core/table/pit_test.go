package table

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/name"
)

// modelPIT is the PIT as maps and slices: which face waits for what.
type modelPIT map[PITKey][]FaceID

func (m modelPIT) of(face FaceID) (n int) {
	for _, faces := range m {
		for _, f := range faces {
			if f == face {
				n++
			}
		}
	}
	return n
}

func (m modelPIT) records() (n int) {
	for _, faces := range m {
		n += len(faces)
	}
	return n
}

func drawPITKey(t *rapid.T) PITKey {
	return PITKey{
		Name: name.Key(rapid.Uint64Range(1, 12).Draw(t, "name")),
		Seq:  rapid.Uint32Range(0, 2).Draw(t, "seq"),
	}
}

// maskOf says which names of the model are patterns: every third.
func maskOf(k PITKey) uint8 {
	if k.Name%3 == 0 {
		return 1 << (1 + k.Name%5)
	}
	return 0
}

func TestPITAgainstModel(t *testing.T) {
	const limit, share, wilds = 40, 12, 3
	rapid.Check(t, func(t *rapid.T) {
		quota := NewQuota(limit, func(FaceID) int { return share })
		pit, model := NewPIT(Seed{1, 2}, quota, wilds), modelPIT{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k, face := drawPITKey(t), FaceID(rapid.IntRange(1, 5).Draw(t, "face"))
				addIn(t, pit, model, k, face, wilds, limit, share)
			},
			"remove one": func(t *rapid.T) {
				k := drawPITKey(t)
				e := pit.Find(k)
				if e == nil || len(e.Ins) == 0 {
					return
				}
				i := rapid.IntRange(0, len(e.Ins)-1).Draw(t, "in")
				gone := e.Ins[i].Face
				pit.RemoveIn(e, i)
				model[k] = slices.DeleteFunc(model[k], func(f FaceID) bool { return f == gone })
			},
			"remove all": func(t *rapid.T) {
				k := drawPITKey(t)
				if e := pit.Find(k); e != nil {
					pit.Remove(e)
					if e.ID != 0 {
						t.Fatal("a removed entry still has its handle")
					}
					delete(model, k)
				}
			},
			"": func(t *rapid.T) { comparePIT(t, pit, model) },
		})
	})
}

func addIn(t *rapid.T, pit *PIT, model modelPIT, k PITKey, face FaceID, wilds, limit, share int) {
	e := pit.Find(k)
	if e == nil {
		have := 0
		for known := range model {
			if maskOf(known) != 0 {
				have++
			}
		}
		e = pit.Insert(k, maskOf(k))
		if (e == nil) != (maskOf(k) != 0 && have >= wilds) {
			t.Fatalf("insert of a pattern with %d of %d: %v", have, wilds, e != nil)
		}
		if e == nil {
			return
		}
		model[k] = nil
	}
	if e.In(face) != nil {
		return
	}
	room := model.records() < limit && model.of(face) < share
	in := pit.AddIn(e, face)
	if (in != nil) != room {
		t.Fatalf("record taken %v, room %v", in != nil, room)
	}
	if in != nil {
		in.Deadline = time.Duration(face) * time.Second
		model[k] = append(model[k], face)
	}
}

func comparePIT(t *rapid.T, pit *PIT, model modelPIT) {
	if pit.Len() != len(model) || pit.Records() != model.records() {
		t.Fatalf("%d entries with %d records, want %d with %d", pit.Len(), pit.Records(), len(model), model.records())
	}
	masks := map[uint8]bool{}
	for k, faces := range model {
		e := pit.Find(k)
		if e == nil || e.Key != k || pit.At(e.ID) != e {
			t.Fatalf("%v: found %+v", k, e)
		}
		var got []FaceID
		longest := FaceID(0)
		for _, in := range e.Ins {
			got = append(got, in.Face)
			longest = max(longest, in.Face)
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(faces))
		if !slices.Equal(got, want) {
			t.Fatalf("%v: faces %v, want %v", k, got, want)
		}
		if m := maskOf(k); m != 0 {
			masks[m] = true
		}
	}
	pit.Masks(func(m uint8) {
		if !masks[m] {
			t.Fatalf("mask %#x is in no entry", m)
		}
		delete(masks, m)
	})
	if len(masks) != 0 {
		t.Fatalf("masks %v are not listed", masks)
	}
}

// A face was asked as long as its out-record stands, returned or not; it is at work only while neither returned nor run out.
func TestEntryOuts(t *testing.T) {
	pit := NewPIT(Seed{}, NewQuota(8, nil), 1)
	e := pit.Insert(PITKey{Name: 7, Seq: 1}, 0)
	for face := FaceID(1); face <= 5; face++ { // more than have room in the entry itself
		*e.Upsert(face) = Out{Face: face, Deadline: time.Duration(face) * time.Second}
	}
	if e.Upsert(3).Deadline != 3*time.Second || len(e.Outs) != 5 {
		t.Fatal("a second record for one face")
	}
	e.Out(5).Returned = 1
	for now, want := range map[time.Duration]bool{0: true, 3500 * time.Millisecond: true, 4 * time.Second: false} {
		if e.Live(now, 0) != want {
			t.Errorf("at %s: live %v, want %v", now, e.Live(now, 0), want)
		}
	}
	if e.Live(3500*time.Millisecond, 4) {
		t.Error("the only live face was to be left out")
	}
	if !e.Asks(5) || e.Asks(6) || (*Entry)(nil).Asks(1) {
		t.Error("who was asked")
	}
}

func TestP5EachNameOnceForEachFace(t *testing.T) {
	w := &Wild{Answered: map[WildAnswer]struct{}{}, Walks: map[FaceID]Walk{}}
	if !w.Once(1, 7) || w.Once(1, 7) || !w.Once(2, 7) || !w.Once(1, 8) {
		t.Error("a name is sent once to each face")
	}
	w.Reached(1, 8)
	if w.Walks[1] != (Walk{To: 8}) {
		t.Errorf("%+v", w.Walks)
	}
	w.Anew(1)
	if w.Walks[1].From != 8 {
		t.Errorf("the next Interest goes on where the last one came to: %+v", w.Walks)
	}
	w.Anew(1)
	if w.Walks[1].From != 8 {
		t.Errorf("one that got nothing here, since other workers gave all its answers, begins again: %+v", w.Walks)
	}
	if !w.Once(1, 7) || w.Once(2, 7) {
		t.Error("a face that asks anew has every name again, others have not")
	}
	for k := name.Key(100); len(w.Answered) < MaxWildAnswers; k++ {
		w.Once(3, k)
	}
	if w.Once(3, 99) {
		t.Error("more names than an entry remembers")
	}
}

// The newest of the name of zeros is an entry like any other, also as the first of all: then nothing was looked for yet.
func TestPITFirstKey(t *testing.T) {
	p := NewPIT(Seed{1, 2}, NewQuota(8, nil), 1)
	for range 2 {
		if p.Find(PITKey{}) != nil {
			t.Fatal("it is there already")
		}
		e := p.Insert(PITKey{}, 0)
		if p.Find(PITKey{}) != e || p.Len() != 1 {
			t.Errorf("it is %v of %d", p.Find(PITKey{}), p.Len())
		}
		p.Remove(e)
	}
}
