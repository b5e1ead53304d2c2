package abi

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestValuesThereAndBack(t *testing.T) {
	list := []Value{
		{Name: "text", Type: ListText, Text: "größer"},
		{Name: "", Type: ListInt, Int: -1},
		{Name: "a.b", Type: ListFloat, Num: 0.1},
		{Name: "yes", Type: ListBool, Bool: true},
		{Name: strings.Repeat("n", 255), Type: ListText, Text: strings.Repeat("t", 60000)},
	}
	b, err := AppendValues([]byte("before"), list)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadValues(b[len("before"):])
	if err != nil || !reflect.DeepEqual(got, list) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, v := range []Value{{Name: strings.Repeat("n", 256)}, {Text: strings.Repeat("t", 1<<16)}} {
		if _, err := AppendValues(nil, []Value{v}); err == nil {
			t.Errorf("%d bytes of name and %d of text fit", len(v.Name), len(v.Text))
		}
	}
}

func FuzzReadValues(f *testing.F) {
	b, _ := AppendValues(nil, []Value{{Name: "a", Type: ListText, Text: "b"}, {Name: "c", Type: ListBool, Bool: true}})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ReadValues(b)
		if err != nil {
			return
		}
		again, err := AppendValues(nil, list)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ReadValues(again); err != nil || len(back) != len(list) {
			t.Errorf("%+v, %v, want %+v", back, err, list)
		}
	})
}

func FuzzReadRecords(f *testing.F) {
	note := []byte{16, 0, TagError, 0, 5, 0, 0, 0, 'w', 'r', 'o', 'n', 'g', 0, 0, 0}
	value := make([]byte, 40)
	value[0], value[RecordTag], value[RecordName] = 40, TagValue, 3
	f.Add(append(note, value...), 2)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 {
			return
		}
		list, err := ReadRecords(b, n)
		if err == nil && len(list) != n {
			t.Errorf("%d records, want %d", len(list), n)
		}
	})
}

func TestRecordsAreBounded(t *testing.T) {
	if _, err := ReadRecords(bytes.Repeat([]byte{8, 0, TagError, 0, 0, 0, 0, 0}, MaxRecords+1), MaxRecords+1); err == nil {
		t.Error("too many records are read")
	}
}

func TestDriverItem(t *testing.T) {
	i := DriverItem{Kind: Send, Time: 1 << 40, Peer: 7, PeerBlock: 16, LinkSize: 8, PeerSize: 24, Seen: 2, Data: []byte("hello")}
	b := bytes.Repeat([]byte{0xFF}, 100)
	if n := i.Put(b); n != 48 || n != i.Size() || b[48] != 0xFF || !bytes.Equal(b[DriverFixed:48], []byte("hello\x00\x00\x00")) {
		t.Errorf("%d bytes: %x", n, b)
	}
	if b[DriverPeer] != 7 || b[DriverPeerBlock] != 16 || b[DriverLinkSize] != 8 || b[DriverPeerSize] != 24 || b[DriverSize] != 5 || b[DriverSeen] != 2 || b[DriverTime+5] != 1 {
		t.Errorf("%x", b[:DriverFixed])
	}
}

func FuzzNextDriverRecord(f *testing.F) {
	f.Add([]byte{24, 0, 0, 0, TagFrame, 0xC4, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o', 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			r, rest, ok := NextDriverRecord(b)
			if !ok {
				return
			}
			if len(rest) >= len(b) || len(r.Data) > len(b) {
				t.Fatalf("%d bytes of data and %d more, from %d", len(r.Data), len(rest), len(b))
			}
			b = rest
		}
	})
}
