package udp

import (
	"runtime"
	"sync/atomic"
	"testing"
)

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

// Where all of Go's processors would nap, others have a turn before.
func TestNapLeavesATurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := &conn{count: new(counters), napping: new(atomic.Int32)}
	m := &mmsg{conn: c, gather: gather{nap: shortNap}}
	var ran atomic.Bool
	go ran.Store(true)
	for range yieldEvery / 4 { // the scheduler may take this goroutine first, but not again and again
		m.nap()
	}
	if !ran.Load() {
		t.Error("nobody else had a turn")
	}
	if n := c.napping.Load(); n != 0 {
		t.Errorf("%d nap", n)
	}
}
