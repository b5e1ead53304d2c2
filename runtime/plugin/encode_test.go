package plugin

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// encoderGuest is a hand-made decoder that has features.
func encoderGuest(features uint32, output []byte) *wasmtest.Guest {
	g := decoderGuest(output)
	g.Words = map[int]uint32{abi.ArenaFeatures: features}
	return g
}

// noteRecord makes a warning, an error or a payload.
func noteRecord(tag byte, port uint16, text string) []byte {
	b := make([]byte, abi.Align(abi.NoteFixed+len(text)))
	binary.LittleEndian.PutUint16(b, uint16(len(b)))
	b[abi.RecordTag] = tag
	binary.LittleEndian.PutUint16(b[abi.NoteText:], uint16(len(text)))
	binary.LittleEndian.PutUint16(b[abi.NotePort:], port)
	copy(b[abi.NoteFixed:], text)
	return b
}

// fieldRecord makes a described quantity of the type number.
func fieldRecord(name, unit string, use uint64) []byte {
	return value(name, unit, "help", func(b []byte) {
		b[abi.RecordTag] = abi.TagField
		binary.LittleEndian.PutUint64(b[abi.RecordNumber:], use)
	})
}

func single(name string, number float64, unit string) []Record {
	return []Record{{Name: name, Type: Number, Number: number, Unit: unit, Channel: NoChannel}}
}

func TestEncode(t *testing.T) {
	payload, warning, failure := noteRecord(abi.TagPayload, 7, "\x01\x02"), noteRecord(abi.TagWarning, 0, "odd"), noteRecord(abi.TagError, 0, "too hot")
	for name, c := range map[string]struct {
		out  []byte
		want string // the payload, or part of an error of the answer
		trap bool
	}{
		"payload":            {wasmtest.Item(abi.StatusOK, 2, append(warning, payload...)...), "\x01\x02", false},
		"error and payload":  {wasmtest.Item(abi.StatusOK, 2, append(payload, failure...)...), "too hot", false},
		"nothing":            {wasmtest.Item(abi.StatusOK, 0), "", true},
		"two payloads":       {wasmtest.Item(abi.StatusOK, 2, append(payload, payload...)...), "", true},
		"a value":            {wasmtest.Item(abi.StatusOK, 1, value("x", "", "", nil)...), "", true},
		"payload too long":   {wasmtest.Item(abi.StatusOK, 1, 16, 0, abi.TagPayload, 0, 9, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8), "", true},
		"half of the answer": {wasmtest.Item(abi.StatusFailed, 0), "no answer", false},
	} {
		m, journal := manager(t, Options{Pool: 1})
		load(t, m, "d", handMade(encoderGuest(abi.FeatureEncode, c.out)))
		e, err := m.Encode(t.Context(), "d", EncodeRequest{Records: single("x", 1, "")})
		var trap *engine.Trap
		switch {
		case c.trap != errors.As(err, &trap):
			t.Errorf("%s: %+v, %v", name, e, err)
		case c.trap:
			await(t, journal, "trapped")
			if m.List()[0].Traps != 1 || !strings.Contains(m.List()[0].LastTrap.Input, "01000000") {
				t.Errorf("%s: %+v", name, m.List()[0])
			}
		case err != nil:
			if !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		case len(e.Errors) > 0:
			if e.Payload != nil || e.Port != 0 || !strings.Contains(e.Errors[0], c.want) {
				t.Errorf("%s: %+v", name, e)
			}
		case string(e.Payload) != c.want || e.Port != 7 || len(e.Warnings) != 1:
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// What cannot be encoded is an error that says why, before the plugin sees it.
func TestEncodeRefuses(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "old", handMade(decoderGuest(wasmtest.Item(abi.StatusOK, 0))))
	if _, err := m.Encode(t.Context(), "old", EncodeRequest{Records: single("x", 1, "")}); !errors.Is(err, ErrNoEncode) {
		t.Errorf("%v", err)
	}
	if _, err := m.Encode(t.Context(), "none", EncodeRequest{Records: single("x", 1, "")}); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	payload := wasmtest.Item(abi.StatusOK, 1, noteRecord(abi.TagPayload, 0, "p")...)
	load(t, m, "d", handMade(encoderGuest(abi.FeatureEncode, payload)))
	for want, req := range map[string]EncodeRequest{
		"nothing to encode":  {},
		"want Cel or K":      {Records: single("temperature", 1, "V")},
		"is not in the Sen":  {Records: single("x", 1, "Celsius")},
		"not finite":         {Records: single("x", math.NaN(), "")},
		"SenML's form":       {Records: single("x y", 1, "")},
		"hundred years":      {Records: []Record{{Name: "x", Channel: NoChannel, Time: time.UnixMilli(1 << 60)}}},
		"channel cannot":     {Records: []Record{{Name: "x", Channel: AnyChannel}}},
		"at most 255 bytes":  {Records: single(strings.Repeat("x", 256), 1, "")},
		"variable a is a":    {Records: single("x", 1, ""), Variables: map[string]any{"a": []int{1}}},
		"records and its va": {Records: append(single("x", 1, ""), Record{Name: "y", Type: Text, Text: strings.Repeat("x", 8192), Channel: NoChannel})},
	} {
		if _, err := m.Encode(t.Context(), "d", req); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	for _, st := range m.List() {
		if st.Traps != 0 {
			t.Errorf("%+v", st)
		}
	}
}

// described is a hand-made decoder whose first answer is its schema and all later ones what change makes of it.
func described(fields []byte, n int, change ...[]byte) *wasmtest.Guest {
	g := encoderGuest(abi.FeatureDescribe|abi.FeatureEncode, wasmtest.Item(abi.StatusOK, n, fields...))
	g.Process = wasmtest.Code(wasmtest.From(2, change...), wasmtest.Local0)
	return g
}

func TestDescribe(t *testing.T) {
	fields := append(fieldRecord("temperature", "Cel", abi.FieldDecoded|abi.FieldEncoded), fieldRecord("a", "V", abi.FieldDecoded)...)
	m, _ := manager(t, Options{})
	load(t, m, "d", handMade(described(fields, 2)))
	s, err := m.Describe("d")
	if err != nil || len(s) != 2 || s[0].String() != "temperature (number, Cel)" || !s[0].Encoded || s[1].Encoded || s[1].Help != "help" {
		t.Errorf("%+v, %v", s, err)
	}
	for want, records := range map[string][]Record{
		"does not encode temperature (number, K); it encodes temperature (number, Cel)": single("temperature", 1, "K"),
		"does not encode a (number, V)":             single("a", 1, "V"),
		"does not encode temperature (bool)":        {{Name: "temperature", Type: Bool, Channel: NoChannel}},
		"does not encode temperature on channel 3 ": {{Name: "temperature", Unit: "Cel", Type: Number, Channel: 3}},
	} {
		if _, err := m.Encode(t.Context(), "d", EncodeRequest{Records: records}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	load(t, m, "old", handMade(decoderGuest(wasmtest.Item(abi.StatusOK, 0))))
	if _, err := m.Describe("old"); !errors.Is(err, ErrNoDescribe) {
		t.Errorf("%v", err)
	}
	if _, err := m.Describe("none"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

// A schema that cannot be keeps a decoder from running.
func TestSchemasThatCannotBe(t *testing.T) {
	for want, fields := range map[string][]byte{
		`number 1 ("x y"): its name`:       fieldRecord("x y", "", 1),
		"does not fit":                     fieldRecord("temperature", "V", 1),
		"neither decoded nor encoded":      fieldRecord("x", "", 0),
		"is neither decoded":               fieldRecord("x", "", 4),
		"an output that is":                value("x", "", "", nil),
		"its type, measure, statistic":     append([]byte{}, value("x", "", "", func(b []byte) { b[abi.RecordTag], b[abi.RecordType] = abi.TagField, 9 })...),
		"fails to describe itself: no way": noteRecord(abi.TagError, 0, "no way"),
	} {
		m, _ := manager(t, Options{})
		err := m.Load(t.Context(), Spec{Name: "d", Source: handMade(described(fields, 1))})
		if want == "an output that is" {
			want = "its output is damaged"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

// A record outside the schema stands and is warned of; in a vector it keeps the decoder from running: then the schema is wrong.
func TestRecordsOutsideTheSchema(t *testing.T) {
	at := wasmtest.OutputAt + abi.OutHead
	guest := func() *wasmtest.Guest {
		return described(fieldRecord("x", "", abi.FieldDecoded), 1,
			wasmtest.Write(at+abi.RecordTag, abi.TagValue), wasmtest.Write(at+abi.RecordFixed, 'y'))
	}
	m, _ := manager(t, Options{})
	load(t, m, "d", handMade(guest()))
	d, err := m.Decode(t.Context(), "d", Request{Payload: []byte{1}})
	if err != nil || len(d.Records) != 1 || len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "gives y (number), which it does not describe") {
		t.Errorf("%+v, %v", d, err)
	}
	g := guest()
	g.Manifest["vectors"] = map[string]any{"vectors": []any{map[string]any{"id": "one", "payload": "00", "errors": []string{}, "also": []string{"y"}}}}
	if err := m.Load(t.Context(), Spec{Name: "e", Source: handMade(g)}); err == nil || !strings.Contains(err.Error(), "which it does not describe") {
		t.Errorf("%v", err)
	}
}

// A time from 2^28 s on is Unix time, as in SenML.
func TestAbsoluteTimes(t *testing.T) {
	at := func(ms int64) []byte {
		return value("x", "", "", func(b []byte) { binary.LittleEndian.PutUint64(b[abi.RecordTime:], uint64(ms)) })
	}
	m, _ := manager(t, Options{})
	load(t, m, "d", handMade(decoderGuest(wasmtest.Item(abi.StatusOK, 2, append(at(abi.AbsoluteTime), at(abi.AbsoluteTime-1)...)...))))
	d, err := m.Decode(t.Context(), "d", Request{})
	if err != nil || len(d.Records) != 2 || d.Records[0].Time.Unix() != 1<<28 || d.Records[0].Offset != 0 ||
		!d.Records[1].Time.IsZero() || d.Records[1].Offset.Milliseconds() != 1<<28*1000-1 {
		t.Errorf("%+v, %v", d, err)
	}
	for i := range d.Records { // and back again
		w := d.Records[i].write()
		if r, why := record(&w); why != "" || r.Time != d.Records[i].Time || r.Offset != d.Records[i].Offset {
			t.Errorf("%+v, %s", r, why)
		}
	}
}

// A vector may go the way back.
func TestVectorsOfEncoders(t *testing.T) {
	payload := wasmtest.Item(abi.StatusOK, 1, noteRecord(abi.TagPayload, 0, "\x05")...)
	for want, vector := range map[string]map[string]any{
		"":                      {"id": "one", "way": "encode", "payload": "05", "records": []any{map[string]any{"name": "x", "value": 1}}},
		"one: encoded as 05":    {"id": "one", "way": "encode", "payload": "06", "records": []any{map[string]any{"name": "x", "value": 1}}},
		"statistic \"highest\"": {"id": "one", "way": "encode", "payload": "05", "records": []any{map[string]any{"name": "x", "value": 1, "statistic": "highest"}}},
		"want Cel or K":         {"id": "one", "way": "encode", "payload": "05", "records": []any{map[string]any{"name": "temperature", "value": 1}}},
		"has no records":        {"id": "one", "way": "encode", "payload": "05", "errors": []string{"x"}},
		"goes \"back\"":         {"id": "one", "way": "back", "payload": "05", "errors": []string{"x"}},
		"output is damaged":     {"id": "one", "way": "both", "payload": "05", "records": []any{map[string]any{"name": "x", "value": 1}}},
	} {
		g := encoderGuest(abi.FeatureEncode, payload)
		g.Manifest["vectors"] = map[string]any{"vectors": []any{vector}}
		m, _ := manager(t, Options{})
		err := m.Load(t.Context(), Spec{Name: "d", Source: handMade(g)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// A decoder at work holds up its own callers and nobody else: strategies decide, other decoders decode, plugins come and go. It is
// caught in the middle of a payload by its log line, which waits until everything else has been done.
func TestSlowDecoderHoldsUpOnlyItsCallers(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	m, _ := manager(t, Options{Pool: 1, Log: func(string, string, string) { inside <- struct{}{}; <-release }})
	g := decoderGuest(wasmtest.Item(abi.StatusOK, 0))
	g.Manifest["capabilities"] = []string{"log"}
	g.Imports = []wasmtest.Import{{Module: abi.ImportModule, Name: abi.ImportLog, Params: []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32}}}
	g.Process = wasmtest.Code(wasmtest.Const(1), wasmtest.Const(wasmtest.InputAt), wasmtest.Const(8), wasmtest.Call(1), wasmtest.Local0)
	if err := m.Load(t.Context(), Spec{Name: "slow", Source: handMade(g), Grants: []string{"log"}}); err != nil {
		t.Fatal(err)
	}
	load(t, m, "quick", handMade(decoderGuest(wasmtest.Item(abi.StatusOK, 1, value("x", "", "", nil)...))))
	load(t, m, "strategy", handMade(sender(2)))
	s := strategyOf(t, m, "strategy", 0)

	slow := make(chan error, 1)
	go func() {
		_, err := m.Decode(t.Context(), "slow", Request{})
		slow <- err
	}()
	<-inside
	var out [abi.MaxCommands]forward.Command
	for range 1000 {
		if got := s.Decide(twoHops(), out[:0]); len(got) != 1 || got[0].Face != 2 {
			t.Fatalf("%+v", got)
		}
		if d, err := m.Decode(t.Context(), "quick", Request{}); err != nil || len(d.Records) != 1 {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	if err := m.Swap(t.Context(), "strategy", handMade(sender(3))); err != nil {
		t.Error(err)
	}
	if err := m.Unload(t.Context(), "quick"); err != nil {
		t.Error(err)
	}
	if n := len(m.List()); n != 2 {
		t.Errorf("%d plugins", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Decode(ctx, "slow", Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("its own callers wait: %v", err)
	}
	select {
	case err := <-slow:
		t.Errorf("it is done: %v", err)
	default:
	}
	close(release)
	if err := <-slow; err != nil {
		t.Error(err)
	}
}

// What a person writes for a value becomes a record of the quantity that it must be, or a sentence about what else it could be.
func TestAssign(t *testing.T) {
	both := Schema{
		{Name: "temperature", Unit: "Cel", Type: Number, Channel: AnyChannel, Encoded: true},
		{Name: "humidity", Unit: "%RH", Type: Number, Channel: NoChannel, Encoded: true},
		{Name: "open", Type: Bool, Channel: NoChannel, Encoded: true},
		{Name: "raw", Type: Bytes, Channel: NoChannel, Encoded: true},
		{Name: "battery", Unit: "%EL", Type: Number, Channel: NoChannel, Decoded: true},
	}
	lone := both[1:3]
	any := Schema{{Channel: NoChannel, Encoded: true, Decoded: true}}
	for _, c := range []struct {
		schema     Schema
		text, hint string
		want       string // name, channel, unit and value
	}{
		{lone, "50", "", "humidity -1 %RH 50"},
		{lone, "true", "", "open -1  true"},
		{lone, "50 %RH", "x", "humidity -1 %RH 50"},
		{both, "21.5", "temp", "temperature -1 Cel 21.5"},
		{both, "21.5", "humidity", "humidity -1 %RH 21.5"},
		{both, "temperature=21.5", "", "temperature -1 Cel 21.5"},
		{both, "temperature_3=-1e1", "", "temperature 3 Cel -10"},
		{both, "humidity_3=1", "", "humidity_3 -1  1"}, // it has no channels: the check says so
		{both, "raw=0aFF", "", "raw -1  [10 255]"},
		{both, "temperature=294 K", "", "temperature -1 K 294"}, // another unit: the check says so
		{any, "temperature=21.5 Cel", "", "temperature -1 Cel 21.5"},
		{any, "a_1=true", "", "a_1 -1  true"},
		{any, "note=a = b", "", "note -1  a = b"},
		{nil, "x=5", "", "x -1  5"},
		{both, "50", "", "say which quantity it is, NAME=VALUE: the decoder encodes temperature on a channel (number, Cel), humidity"},
		{both, "50", "pressure", "say which quantity"},
		{both, "50 V", "temp", "say which quantity"},
		{any, "50", "temperature", "say which quantity it is, NAME=VALUE: the decoder encodes any name (any)"},
		{nil, "50", "", "does not say what it encodes"},
	} {
		r, err := c.schema.Assign(c.text, c.hint)
		got := fmt.Sprintf("%s %d %s %v", r.Name, r.Channel, r.Unit, r.Value())
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%q with hint %q: %q, want %q", c.text, c.hint, got, c.want)
		}
	}
}
