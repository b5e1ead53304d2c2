package forward_test

import (
	"testing"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/wire"
)

// trunk is what several links share; it takes so many frames of each.
type trunk struct {
	sends int
	takes int
}

func (t *trunk) SendAll(list []forward.Delivery) {
	t.sends++
	for i := range list {
		list[i].Sent = min(len(list[i].Frames), t.takes)
		list[i].Link.(*branch).frames += list[i].Sent
	}
}

// branch is one of them.
type branch struct {
	sink
	on *trunk
}

func (b *branch) Batch() forward.Batch { return b.on }

func (b *branch) Send([][]byte) int { panic("a link that shares was sent to alone") }

// Links that send together get what a burst has for all of them in one call, links of another kind theirs; what was not taken is
// counted at its face.
func TestLinksThatSendTogether(t *testing.T) {
	r := newRig(t)
	one, other := &trunk{takes: 9}, &trunk{takes: 1}
	var links []*branch
	var faces []*forward.Face
	for i := range 7 {
		l := &branch{on: one}
		if i >= 5 {
			l.on = other
		}
		f, err := r.n.AddFace(r.now(), forward.FaceConfig{}, l)
		if err != nil {
			t.Fatal(err)
		}
		links, faces = append(links, l), append(faces, f)
	}
	r.in.Begin(r.now())
	for i, f := range append(faces, r.reader) {
		asked := wire.MakeAsked(mesh.Epoch+int64(i), 60)
		r.in.Add(f, r.frame(wire.Header{Name: nm(temp), Seq: wire.SeqSubscribe, Type: wire.Interest, TTL: 7}, asked[:]))
	}
	r.in.Run()
	one.sends, other.sends = 0, 0
	r.in.Begin(r.now())
	for seq := uint32(1); seq <= 2; seq++ {
		r.in.Add(r.sensor, r.content(temp, seq, "21.5"))
	}
	r.in.Run()
	if one.sends != 1 || other.sends != 1 {
		t.Errorf("sent in %d and %d calls, want one each", one.sends, other.sends)
	}
	for i, l := range links {
		want, lost := 2, uint64(0)
		if l.on == other {
			want, lost = 1, 1
		}
		c := faces[i].Counters()
		if l.frames != want || c.OutFrames != uint64(want) || c.Drops[drop.SendQueue] != lost || c.OutBytes == 0 {
			t.Errorf("link %d got %d frames, want %d; %d out, %d lost", i, l.frames, want, c.OutFrames, c.Drops[drop.SendQueue])
		}
	}
	if r.toReader.frames != 2 {
		t.Errorf("the link of another kind got %d frames", r.toReader.frames)
	}
}
