package guest

import (
	"bytes"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// lines is a driver whose frames end with a line feed. Its blocks count.
type lines struct{ echo }

func (lines) Received(l *Link, in []byte) int {
	l.Block()[0]++
	l.PeerBlock()[0]++
	done := 0
	for at := l.Seen(); at < len(in); at++ {
		if in[at] != '\n' {
			continue
		}
		if !l.Frame(in[done:at], -60) {
			return done
		}
		done = at + 1
	}
	return done
}

func (lines) Send(l *Link, frame []byte) {
	if len(frame) > 0 && frame[0] == '!' { // more than there is room for
		for l.Bytes(make([]byte, abi.MaxReceived)) {
		}
		return
	}
	l.BytesTo(l.Peer()+1, append(frame[:len(frame):len(frame)], '\n'))
	l.After(0)
}

func (lines) Timer(l *Link) { l.Frame(l.Block()[:1], 0) }

func (lines) Event(l *Link, up bool) {
	if up {
		l.Bytes(l.PeerBlock()[:1])
	}
}

func TestDriverEvents(t *testing.T) {
	l, err := RunDriver(lines{}, Values{}, 8, 16)
	if err != nil {
		t.Fatal(err)
	}
	a := l.Received(1, []byte("one\ntwo\nth"))
	if len(a.Frames) != 2 || string(a.Frames[1].Frame) != "two" || a.Frames[0].Signal != -60 {
		t.Errorf("%+v", a)
	}
	if a = l.Received(2, []byte("x\n")); len(a.Frames) != 1 {
		t.Errorf("%+v", a)
	}
	if a = l.Received(1, []byte("ree\n")); len(a.Frames) != 1 || string(a.Frames[0].Frame) != "three" {
		t.Errorf("%+v", a)
	}
	if a = l.Send(4, []byte("out")); len(a.Bytes) != 1 || a.Bytes[0].Peer != 5 || string(a.Bytes[0].Data) != "out\n" || a.Timer != 1 {
		t.Errorf("%+v", a)
	}
	if a = l.Timer(); len(a.Frames) != 1 || !bytes.Equal(a.Frames[0].Frame, []byte{3}) {
		t.Errorf("the link's block counts three calls: %+v", a)
	}
	if a = l.Event(1, true); len(a.Bytes) != 1 || a.Bytes[0].Peer != 1 || a.Bytes[0].Data[0] != 2 {
		t.Errorf("the peer's block counts two calls: %+v", a)
	}
	if a = l.Send(0, []byte("!")); !a.Failed || len(a.Bytes) != 0 {
		t.Errorf("half of an answer: %+v", a)
	}
	if a = l.Received(0, bytes.Repeat([]byte("\n"), 3*abi.MaxDriverRecords)); len(a.Frames) != 3*abi.MaxDriverRecords || a.Failed {
		t.Errorf("%d frames", len(a.Frames))
	}
	if a = l.Received(3, make([]byte, 10000)); a.Damaged == 0 || len(l.pending[3]) > maxPending {
		t.Errorf("%d damaged, %d bytes wait", a.Damaged, len(l.pending[3]))
	}
}

func TestDamagedDriverItemsFailAlone(t *testing.T) {
	p := newDriverPlugin(lines{})
	in, out := p.regions()
	good := abi.DriverItem{Kind: abi.Send, Data: []byte("x")}
	for what, change := range map[string]func(b []byte){
		"a kind of later":          func(b []byte) { b[abi.ItemKind] = 9 },
		"more bytes than there":    func(b []byte) { b[abi.DriverSize] = 200 },
		"a fixed part too small":   func(b []byte) { b[abi.ItemFixed] = 8 },
		"a block outside":          func(b []byte) { b[abi.DriverPeerBlock+2], b[abi.DriverPeerSize] = 1, 8 },
		"a link's block too large": func(b []byte) { b[abi.DriverLinkSize+1] = 0xFF },
		"more seen than there":     func(b []byte) { b[abi.DriverSeen] = 2 },
	} {
		n := good.Put(in)
		change(in)
		good.Put(in[n:])
		if p.process(2) != 2 {
			t.Fatal(what)
		}
		next := out[get32(out, abi.OutSize):]
		if get16(out, abi.OutStatus) != abi.StatusFailed || get16(next, abi.OutStatus) != abi.StatusOK || get16(next, abi.OutCount) != 1 {
			t.Errorf("%s: %x, %x", what, out[:abi.OutHead], next[:abi.OutHead])
		}
	}
}

// What Room gives is where the record's data will stand, so nothing is moved, and allocated.
func TestRoomIsTheRecords(t *testing.T) {
	out := make([]byte, 256)
	l := Link{out: out}
	b := append(l.Room(5), "hello"...)
	if !l.Frame(b, 0) || &b[0] != &out[abi.OutFixed] {
		t.Errorf("%x", out)
	}
	r, rest, ok := abi.NextDriverRecord(out[:l.at])
	if !ok || len(rest) != 0 || string(r.Data) != "hello" || r.Tag != abi.TagFrame {
		t.Errorf("%+v, %v", r, ok)
	}
	if l.Room(1000) != nil || !l.Full() || l.Room(-1) != nil {
		t.Error("there is room for more than there is")
	}
}
