package forward_test

import (
	"testing"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
)

// full is a link that has no room, and says why.
type full struct{ why drop.Reason }

func (full) Send([][]byte) int      { return 0 }
func (full) Close()                 {}
func (f full) Refusal() drop.Reason { return f.why }

// A link that takes no more may say why; what it lets go of later it counts itself.
func TestRefusal(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	p := k.peer(n, plain())
	var f *forward.Face
	n.Do(func(n *forward.Node) {
		var err error
		if f, err = n.AddFace(k.m.Now(), forward.FaceConfig{}, full{drop.DutyCycle}); err != nil {
			t.Fatal(err)
		}
		n.AddRoute(k.m.Now(), 0, prefix("01"), f.ID(), 1)
	})
	p.send(k.interest(temp, 5, 2))
	f.Drop(drop.Framing, 3)
	if c := f.Counters(); c.Drops[drop.DutyCycle] != 1 || c.Drops[drop.Framing] != 3 || c.OutFrames != 0 {
		t.Errorf("%+v", c)
	}
	l := &forward.Listener{}
	l.Drop(drop.FacesFull, 2)
	if d := l.Drops(); d[drop.FacesFull] != 2 {
		t.Errorf("%v", d)
	}
}
