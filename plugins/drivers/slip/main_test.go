package main

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/sdk/guest"
)

func link(t interface{ Fatal(...any) }) *guest.NativeLink {
	l, err := guest.RunDriver(slip{}, guest.Values{}, 0, 8)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wire gives the bytes of frames on the line.
func wire(l *guest.NativeLink, frames ...[]byte) (b []byte) {
	for _, f := range frames {
		for _, out := range l.Send(0, f).Bytes {
			b = append(b, out.Data...)
		}
	}
	return b
}

// heard gives the frames of answers.
func heard(answers ...guest.DriverAnswer) (frames [][]byte, damaged int) {
	for _, a := range answers {
		for _, h := range a.Frames {
			frames = append(frames, h.Frame)
		}
		damaged += a.Damaged
	}
	return frames, damaged
}

func equal(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

func TestKnownBytes(t *testing.T) {
	l := link(t)
	for frame, line := range map[string]string{
		"010203": "c0010203c0", "c0": "c0dbdcc0", "db": "c0dbddc0", "dcdd": "c0dcddc0", "c0dbc0": "c0dbdcdbdddbdcc0",
	} {
		if got := wire(l, unhex(t, frame)); !bytes.Equal(got, unhex(t, line)) {
			t.Errorf("%s became %x, want %s", frame, got, line)
		}
		if got, _ := heard(l.Received(0, unhex(t, line))); !equal(got, [][]byte{unhex(t, frame)}) {
			t.Errorf("%s became %x, want %s", line, got, frame)
		}
	}
}

// An ESC before anything but its two codes is none of RFC 1055's: the frame is lost, and the next one is not.
func TestWrongEscape(t *testing.T) {
	l := link(t)
	got, damaged := heard(l.Received(0, unhex(t, "c001db02c003dbc004c0")))
	if !equal(got, [][]byte{{4}}) || damaged != 2 {
		t.Errorf("%x, %d damaged", got, damaged)
	}
}

// Whatever the frames, and wherever the stream is cut, the same frames come out.
func TestThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{end, esc, escEnd, escEsc})), 1, 1280)
		frames := rapid.SliceOfN(one, 1, 5).Draw(t, "frames")
		l := link(t)
		line := wire(l, frames...)
		var answers []guest.DriverAnswer
		for len(line) > 0 {
			n := rapid.IntRange(1, len(line)).Draw(t, "cut")
			answers = append(answers, l.Received(0, line[:n]))
			line = line[n:]
		}
		if got, damaged := heard(answers...); !equal(got, frames) || damaged != 0 {
			t.Fatalf("%x and %d damaged, want %x", got, damaged, frames)
		}
	})
}

func TestDatagram(t *testing.T) {
	l := link(t)
	line := wire(l, []byte("one"), []byte("two"))
	if got, damaged := heard(l.Datagram(7, line), l.Datagram(7, line[:len(line)-1])); !equal(got, [][]byte{[]byte("one"), []byte("two"), []byte("one")}) || damaged != 1 {
		t.Errorf("%q, %d damaged", got, damaged)
	}
}

// Noise makes no frame of what comes after it, and grows nothing.
func TestResync(t *testing.T) {
	l := link(t)
	noise := bytes.Repeat([]byte{0x55, 0xAA}, 30000)
	frame := []byte("a frame after the noise")
	a := l.Received(0, noise)
	if got, damaged := heard(a); len(got) != 0 || damaged != 1 {
		t.Errorf("noise became %d frames, %d damaged", len(got), damaged)
	}
	if got, damaged := heard(l.Received(0, append([]byte{end}, wire(l, frame)...))); !equal(got, [][]byte{frame}) || damaged != 0 {
		t.Errorf("%q, %d damaged", got, damaged)
	}
	l.Received(0, noise)
	l.Event(0, false)
	if got, _ := heard(l.Received(0, wire(l, frame))); !equal(got, [][]byte{frame}) {
		t.Errorf("after the link was down: %q", got)
	}
}

// More frames come in one piece than one output has room for.
func TestManyAtOnce(t *testing.T) {
	l := link(t)
	var line []byte
	for range 2000 {
		line = append(line, wire(l, []byte("x"))...)
	}
	if got, damaged := heard(l.Received(0, line)); len(got) != 2000 || damaged != 0 {
		t.Errorf("%d frames, %d damaged", len(got), damaged)
	}
}

// Two peers' bytes do not mix.
func TestPeers(t *testing.T) {
	l := link(t)
	one, two := wire(l, []byte("from one")), wire(l, []byte("from two"))
	got, _ := heard(l.Received(1, one[:4]), l.Received(2, two[:6]), l.Received(1, one[4:]), l.Received(2, two[6:]))
	if !equal(got, [][]byte{[]byte("from one"), []byte("from two")}) {
		t.Errorf("%q", got)
	}
}

// Whatever comes: no panic, what is consumed is within what was given, and after an end of a frame the next one is heard.
func FuzzReceived(f *testing.F) {
	f.Add([]byte{end, esc, escEnd, escEsc, 1, 2, end}, 3)
	f.Add(bytes.Repeat([]byte{9}, 5000), 1000)
	f.Fuzz(func(t *testing.T, noise []byte, cut int) {
		l := link(t)
		cut = max(min(cut, len(noise)), 0)
		total := 0
		for _, part := range [][]byte{noise[:cut], noise[cut:], {end}} {
			got, _ := heard(l.Received(0, part))
			for _, g := range got {
				total += len(g)
			}
		}
		if total > len(noise) {
			t.Errorf("%d bytes of frames from %d", total, len(noise))
		}
		frame := []byte("a frame \xC0\x00\xDB")
		if got, _ := heard(l.Received(0, wire(l, frame))); !equal(got, [][]byte{frame}) {
			t.Errorf("%q", got)
		}
	})
}
