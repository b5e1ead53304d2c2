package udp

import "testing"

// The reader of a socket tries naps, and ends them because its peer sends nothing until it is answered. Nothing is lost.
func TestReaderNaps(t *testing.T) {
	k := newKit(t, false)
	s := k.node(1, 1).listen("127.0.0.1:0", open())
	d := k.device(s)
	d.send(k.content(temp, 1, "21.5"))
	k.processed(s, 1)
	ask := k.interest(temp, 1, 4)
	k.mu.Lock()
	k.hook = func() { k.pass(longGap * 3 / 4) } // the clock is read once for each burst
	k.mu.Unlock()
	for i := range uint64(gatherWindow + firstCheck + shortPause) {
		d.send(ask)
		k.processed(s, 2+i)
	}
	if n := s.Counters().Naps; n != firstCheck {
		t.Errorf("%d naps, want %d", n, firstCheck)
	}
}
