package guest

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// mirror encodes the number of its values and their names, and describes three quantities.
type mirror struct{ loud }

func (mirror) Encode(w *Wanted, out *Encoded) {
	text := ""
	for _, v := range w.Values {
		text += v.Name + "=" + v.Text + ";"
	}
	if w.Variables.Bool("refuse", false) {
		out.Fail("no")
	}
	out.Warn("warn")
	out.Payload([]byte(text), w.Port+1)
}

func (mirror) Describe(s *Schema) {
	s.Both(Number("temperature", 0, "Cel").On(abi.AnyChannel), "how warm")
	s.Decodes(NotAvailable("", ""), strings.Repeat("h", 300))
	s.Encodes(Bool("open", true), "")
}

// everything is a record of each type, with all that a record can have.
func everything() []abi.Record {
	return []abi.Record{
		{Tag: abi.TagValue, Type: abi.TypeNumber, Channel: 3, Bits: math.Float64bits(-1.5), Offset: -5, Measure: abi.Counter, Statistic: abi.Mean, Name: []byte("n"), Unit: []byte("Cel"), Value: []byte{}},
		{Tag: abi.TagValue, Type: abi.TypeText, Channel: -1, Name: []byte("t"), Unit: []byte{}, Value: []byte("größer")},
		{Tag: abi.TagValue, Type: abi.TypeBool, Channel: -1, Bits: 1, Name: []byte("b"), Unit: []byte{}, Value: []byte{}},
		{Tag: abi.TagValue, Type: abi.TypeBytes, Channel: -1, Offset: abi.AbsoluteTime, Name: []byte("y"), Unit: []byte{}, Value: []byte{1, 2}},
		{Tag: abi.TagValue, Channel: -1, Name: []byte("x"), Unit: []byte{}, Value: []byte{}},
	}
}

func TestRecordsThereAndBack(t *testing.T) {
	var b []byte
	for _, r := range everything() {
		var err error
		if b, err = abi.AppendRecord(b, &r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := abi.ReadRecords(b, 5)
	if err != nil || !reflect.DeepEqual(got, everything()) {
		t.Errorf("%+v, %v", got, err)
	}
	out := Records{out: make([]byte, len(b))} // and through the guest's values
	for i := range got {
		out.Add(valueOf(&got[i]))
	}
	if string(out.out) != string(b) || out.full {
		t.Errorf("% x\nwant % x", out.out, b)
	}
	long := strings.Repeat("n", 256)
	for _, r := range []abi.Record{{Name: []byte(long)}, {Unit: []byte(long)}, {Value: make([]byte, 1<<16)}} {
		if _, err := abi.AppendRecord(nil, &r); err == nil {
			t.Errorf("%d, %d and %d bytes fit", len(r.Name), len(r.Unit), len(r.Value))
		}
	}
}

func TestEncoder(t *testing.T) {
	d, err := RunEncoder(mirror{}, Values{}, 6, 0, nil, everything())
	if err != nil || len(d.Records) != 2 || d.Records[1].Tag != abi.TagPayload || string(d.Records[1].Value) != "n=;t=größer;b=;y=\x01\x02;x=;" || d.Records[1].Bits != 7 {
		t.Errorf("%+v, %v", d, err)
	}
	refuse := []abi.Value{{Name: "refuse", Type: abi.ListBool, Bool: true}}
	if d, err = RunEncoder(mirror{}, Values{}, 6, 0, refuse, everything()); err != nil || d.Records[0].Tag != abi.TagError {
		t.Errorf("%+v, %v", d, err)
	}
	note := abi.Record{Tag: abi.TagField}
	if _, err = RunEncoder(mirror{}, Values{}, 6, 0, nil, []abi.Record{note}); err == nil {
		t.Error("a field is encoded")
	}
	if _, err = RunEncoder(mirror{}, Values{}, 6, 0, nil, make([]abi.Record, abi.MaxRecords+1)); err == nil {
		t.Error("too many records are encoded")
	}
}

// A plugin that has none of it says so: the host never asks. If it is asked all the same, it has no answer.
func TestDecoderThatOnlyDecodes(t *testing.T) {
	p := &decoderPlugin{decoder: loud{}}
	if p.features() != 0 {
		t.Errorf("%x", p.features())
	}
	if _, err := RunDescribe(loud{}, Values{}); err == nil {
		t.Error("it describes itself")
	}
	_, out := p.regions()
	in, err := abi.AppendEncode(nil, 0, 0, nil, everything())
	if err != nil {
		t.Fatal(err)
	}
	in[abi.ItemKind] = 9
	if p.item(in, out); get16(out, abi.OutStatus) != abi.StatusFailed {
		t.Error("an unknown kind of item is answered")
	}
	in[abi.ItemKind] = abi.Encode
	if p.item(in, out); get16(out, abi.OutStatus) != abi.StatusFailed {
		t.Error("it encodes")
	}
}

func TestSchema(t *testing.T) {
	if got := (&decoderPlugin{decoder: mirror{}}).features(); got != abi.FeatureDescribe|abi.FeatureEncode {
		t.Errorf("%x", got)
	}
	d, err := RunDescribe(mirror{}, Values{})
	if err != nil || len(d.Records) != 3 {
		t.Fatalf("%+v, %v", d, err)
	}
	r := d.Records
	if r[0].Tag != abi.TagField || r[0].Bits != abi.FieldDecoded|abi.FieldEncoded || r[0].Channel != abi.AnyChannel || string(r[0].Value) != "how warm" {
		t.Errorf("%+v", r[0])
	}
	if r[1].Bits != abi.FieldDecoded || r[1].Type != abi.TypeNotAvailable || len(r[1].Name) > 0 || len(r[1].Value) != 255 {
		t.Errorf("%+v", r[1])
	}
	if r[2].Bits != abi.FieldEncoded || r[2].Type != abi.TypeBool {
		t.Errorf("%+v", r[2])
	}
}
