package guest

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// echo is a strategy that answers with what it was shown.
type echo struct{ refuse string }

func (e echo) Configure(v Values) error {
	if e.refuse != "" || v.Text("refuse", "") != "" {
		return errors.New(e.refuse + v.Text("refuse", ""))
	}
	return nil
}

func (echo) Decide(ev *Event, do *Commands) {
	for _, h := range ev.Hops {
		do.SendTo(h.Face)
	}
	if len(ev.Hops) == 0 {
		do.Return(ev.Reason)
		do.SendFirst(ev.TTL)
		do.SendAll()
		do.Drop()
		do.Drop() // a fifth is dropped
	}
}

// event writes an item with next hops of a given size, as a later host may have them.
func event(fixed, hopSize int, faces ...uint32) []byte {
	b := make([]byte, abi.Align(fixed+hopSize*len(faces)))
	le := binary.LittleEndian
	le.PutUint32(b, uint32(len(b)))
	le.PutUint16(b[abi.ItemFixed:], uint16(fixed))
	le.PutUint16(b[abi.EventHopSize:], uint16(hopSize))
	le.PutUint16(b[abi.EventHopCount:], uint16(len(faces)))
	b[abi.EventTTL], b[abi.EventReason] = 5, 2
	for i, f := range faces {
		le.PutUint32(b[fixed+i*hopSize:], f)
	}
	return b
}

// batch runs a batch as the exports do, and gives the faces of each item's commands; nil for one that failed.
func batch(t *testing.T, items ...[]byte) (all [][]uint32) {
	t.Helper()
	ServeStrategy(echo{})
	in, out := served.regions()
	copy(in, slices.Concat(items...))
	if n := served.process(uint32(len(items))); n != uint32(len(items)) {
		t.Fatalf("%d of %d items", n, len(items))
	}
	if p := progressWord[0]; p != uint64(len(items)-1) {
		t.Errorf("progress is %d", p)
	}
	for range items {
		size, n := get32(out, abi.OutSize), int(get16(out, abi.OutCount))
		faces := []uint32{}
		for i := range n {
			faces = append(faces, get32(out, abi.OutHead+i*abi.CommandSize+abi.CommandFace))
		}
		if get16(out, abi.OutStatus) != abi.StatusOK {
			faces = nil
		}
		all, out = append(all, faces), out[size:]
	}
	return all
}

func TestBatch(t *testing.T) {
	got := batch(t, event(abi.EventFixed, abi.HopSize, 1, 2), event(abi.EventFixed, abi.HopSize), event(abi.EventFixed, abi.HopSize, 3))
	if len(got) != 3 || !slices.Equal(got[0], []uint32{1, 2}) || len(got[1]) != 4 || !slices.Equal(got[2], []uint32{3}) {
		t.Errorf("%v", got)
	}
}

// A later host appends fields to events and next hops; the sizes lead past them.
func TestAppendedFieldsAreSteppedOver(t *testing.T) {
	if got := batch(t, event(abi.EventFixed+24, abi.HopSize+16, 1, 2), event(abi.EventFixed, abi.HopSize+8, 3)); !slices.Equal(got[0], []uint32{1, 2}) || !slices.Equal(got[1], []uint32{3}) {
		t.Errorf("%v", got)
	}
}

func TestDamagedItemsFailAlone(t *testing.T) {
	short := event(abi.EventFixed, abi.HopSize, 1)
	short[abi.EventHopCount] = 7
	old := event(abi.EventFixed, abi.HopSize, 1)
	old[abi.ItemFixed] = 8
	got := batch(t, short, old, event(abi.EventFixed, abi.HopSize-8, 1), event(abi.EventFixed, abi.HopSize, 9))
	if got[0] != nil || got[1] != nil || got[2] != nil || !slices.Equal(got[3], []uint32{9}) {
		t.Errorf("%v", got)
	}
}

func TestConfigure(t *testing.T) {
	message := bytesOf(messageWords[:])
	config := bytesOf(configWords[:])
	set := func(list ...abi.Value) []byte {
		b, err := abi.AppendValues(nil, list)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	p := &strategyPlugin{strategy: echo{}}
	if n := configure(p, set(), message); n != 0 {
		t.Errorf("%q", message[:n])
	}
	long := strings.Repeat("x", 10000)
	for want, c := range map[string][]byte{
		"no":             set(abi.Value{Name: "refuse", Type: abi.ListText, Text: "no"}),
		long[:512]:       set(abi.Value{Name: "refuse", Type: abi.ListText, Text: long}),
		"is damaged":     {1, 2, 3},
		"values is dama": {255, 255, 255, 255, 8, 0, 0, 0},
	} {
		if n := configure(p, config[:copy(config, c)], message); n == 0 || !strings.Contains(string(message[:n]), want) {
			t.Errorf("%q, want %q", message[:n], want)
		}
	}
	if get64(bytesOf(arenaWords[:]), 0) != 0 {
		t.Error("the description is written by the export alone")
	}
}

func TestValues(t *testing.T) {
	v := MakeValues(
		abi.Value{Name: "t", Type: abi.ListText, Text: "x"}, abi.Value{Name: "i", Type: abi.ListInt, Int: 7},
		abi.Value{Name: "f", Type: abi.ListFloat, Num: 1.5}, abi.Value{Name: "b", Type: abi.ListBool, Bool: true},
	)
	if v.Text("t", "") != "x" || v.Int("i", 0) != 7 || v.Float("f", 0) != 1.5 || v.Float("i", 0) != 7 || !v.Bool("b", false) || v.Duration("i", 0) != 7 {
		t.Error("a value is lost")
	}
	if v.Text("i", "d") != "d" || v.Int("t", 3) != 3 || v.Float("t", 2) != 2 || !v.Bool("none", true) || v.Has("none") || !v.Has("t") {
		t.Error("a default is lost")
	}
}

// loud is a decoder that has more to say than fits.
type loud struct{ records int }

func (loud) Configure(Values) error { return nil }

func (l loud) Decode(p *Payload, out *Records) {
	for range l.records {
		out.Add(Bytes("raw", p.Bytes).On(1).At(-5).As(abi.Counter).Of(abi.Mean))
	}
	out.Warn("warn")
	out.Consumed(len(p.Bytes))
}

func TestRecords(t *testing.T) {
	d, err := RunDecoder(loud{2}, Values{}, 3, 9, []abi.Value{{Name: "a", Type: abi.ListBool, Bool: true}}, []byte{1, 2, 3})
	if err != nil || len(d.Records) != 3 || d.Consumed != 3 {
		t.Fatalf("%+v, %v", d, err)
	}
	r := d.Records[1]
	if string(r.Name) != "raw" || string(r.Value) != "\x01\x02\x03" || r.Channel != 1 || r.Offset != -5 || r.Measure != abi.Counter || r.Statistic != abi.Mean {
		t.Errorf("%+v", r)
	}
	if d.Records[2].Tag != abi.TagWarning || string(d.Records[2].Value) != "warn" {
		t.Errorf("%+v", d.Records[2])
	}
}

// Half of an answer is none: the host is told so, and the consumer gets the raw bytes.
func TestTooMuchToSay(t *testing.T) {
	for _, records := range []int{abi.MaxRecords, 20} {
		if _, err := RunDecoder(loud{records}, Values{}, 0, 0, nil, make([]byte, 4000)); err == nil {
			t.Errorf("%d records: no error", records)
		}
	}
}
