package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
)

// What the operator has set down stays down, however often the peer answers, and its routes with it.
func TestHoldStandsAgainstHellos(t *testing.T) {
	k := newKit(t, 1)
	n := k.node(1)
	p := k.peer(n, remote())
	answer := func(boot uint32) {
		k.m.RunFor(6 * time.Second)
		for _, f := range p.hellos() {
			p.send(k.echo(f, 2, boot))
		}
		k.m.RunFor(100 * time.Millisecond)
	}
	hold := func(held bool) { n.Do(func(fwd *forward.Node) { fwd.Hold(k.m.Now(), p.face.Get().ID(), held) }) }
	answer(7)
	hold(true)
	answer(7)
	answer(8) // it was started again
	if p.face.Get().Up() {
		t.Fatal("an answer to a hello has set the face up again")
	}
	n.Do(func(fwd *forward.Node) { fwd.SetUp(k.m.Now(), p.face.Get().ID(), true) })
	if p.face.Get().Up() {
		t.Fatal("its link has set the face up again")
	}
	hold(false)
	if !p.face.Get().Up() {
		t.Fatal("the face stays down")
	}
}
