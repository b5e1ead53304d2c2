package plugin

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// Every vector of the decoders that ship passes in wasm too: they travel in the manifest, and a decoder that fails them is not
// loaded. The count makes sure that none was left behind on the way.
func TestShippedDecodersPassTheirVectors(t *testing.T) {
	for name, count := range map[string]int{"milesight": 6, "cayenne-lpp": 15, "bthome-v2": 39, "senml": 10, "mbus": 16} {
		src := builtin(t, name)
		r, err := Inspect(src)
		if err != nil || r.Vectors != count || len(r.Problems) > 0 || r.Name != name {
			t.Fatalf("%+v, %v", r, err)
		}
		m, _ := manager(t, Options{Interpret: true})
		load(t, m, name, src)
		data, err := os.ReadFile("../../plugins/decoders/" + name + "/testdata/vectors.json")
		if err != nil {
			t.Fatal(err)
		}
		file, err := vectors.Read(data)
		if err != nil || len(file.Vectors) != count {
			t.Fatalf("%d vectors, %v", len(file.Vectors), err)
		}
		for i := range file.Vectors { // again, through the Manager: what a consumer would get
			v := &file.Vectors[i]
			if !v.Decodes() {
				continue
			}
			payload, _ := v.Bytes()
			d, err := m.Decode(t.Context(), name, Request{Payload: payload, Port: v.Port, Received: unixMilli(v.Received), Variables: v.Variables})
			if err == nil {
				err = file.Check(v, d.result())
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// decodeOnce runs a decoder on one payload.
func decodeOnce(ctx context.Context, src Source, req Request, config []byte, cacheDir string) (d Decoded, err error) {
	err = UseOnce(ctx, src, config, cacheDir, func(m *Manager, name string) error {
		d, err = m.Decode(ctx, name, req)
		return err
	})
	return d, err
}

func TestUseOnce(t *testing.T) {
	payload, _ := hex.DecodeString("03670001")
	d, err := decodeOnce(t.Context(), builtin(t, "milesight"), Request{Payload: payload}, []byte("{}"), "")
	if err != nil || len(d.Records) != 1 || d.Records[0].Number != 25.6 || d.Records[0].Unit != "Cel" || d.Consumed != 4 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := decodeOnce(t.Context(), builtin(t, "milesight"), Request{Payload: payload}, []byte("[]"), ""); err == nil {
		t.Error("an array is no configuration")
	}
	if _, err := decodeOnce(t.Context(), builtin(t, "best-route"), Request{Payload: payload}, nil, cache); !errors.Is(err, ErrKind) {
		t.Errorf("a strategy decodes: %v", err)
	}
}

func TestMissingBuiltin(t *testing.T) {
	err := func() error {
		m, _ := manager(t, Options{})
		return m.Load(t.Context(), Spec{Name: "x", Source: Source{Builtin: "nothing"}})
	}()
	switch {
	case err == nil:
		t.Error("there is one")
	case errors.Is(err, ErrBuiltin):
		builtin(t, "best-route") // skips where make has not run, and fails where it must have
		t.Errorf("%v, although there are plugins", err)
	case !strings.Contains(err.Error(), `built-in plugin "nothing" is not in this binary, which has adaptive, best-route, `):
		t.Errorf("%v: no names", err)
	}
}

// value makes a record of a decoder's output, for changing in one place.
func value(name, unit, text string, change func(b []byte)) []byte {
	b := make([]byte, abi.Align(abi.RecordFixed+len(name)+len(unit)+len(text)))
	le := binary.LittleEndian
	le.PutUint16(b, uint16(len(b)))
	b[abi.RecordTag], b[abi.RecordType] = abi.TagValue, abi.TypeNumber
	le.PutUint32(b[abi.RecordChannel:], math.MaxUint32)
	le.PutUint64(b[abi.RecordNumber:], math.Float64bits(1.5))
	b[abi.RecordName], b[abi.RecordUnit] = byte(len(name)), byte(len(unit))
	le.PutUint16(b[abi.RecordValue:], uint16(len(text)))
	copy(b[abi.RecordFixed:], name+unit+text)
	if change != nil {
		change(b)
	}
	return b
}

// A record that means nothing is kept out, with an error that says why; the decoder and its other records stay.
func TestRecordsThatMeanNothing(t *testing.T) {
	number := func(f float64) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[abi.RecordNumber:], math.Float64bits(f)) }
	}
	set := func(at int, v byte) func([]byte) { return func(b []byte) { b[at] = v } }
	for why, bad := range map[string][]byte{
		"not finite":             value("temperature", "Cel", "", number(math.NaN())),
		"number is not finite":   value("x", "", "", number(math.Inf(-1))),
		"SenML registry":         value("x", "Celsius", "", nil),
		"does not fit":           value("temperature", "V", "", nil),
		"want %RH":               value("humidity_inside", "", "", nil),
		"not UTF-8":              value("x", "", "\xFF", set(abi.RecordType, abi.TypeText)),
		"SenML's form":           value("tempe rature", "", "", nil),
		`("") is refused`:        value("", "", "", nil),
		`("a\x00b") is refused`:  value("a\x00b", "", "", nil),
		"neither true nor false": value("x", "", "", set(abi.RecordType, abi.TypeBool)),
		"type cannot be":         value("x", "", "", set(abi.RecordType, 77)),
		"measure, statistic":     value("x", "", "", set(abi.RecordMeasure, 5)),
		"or channel cannot be":   value("x", "", "", set(abi.RecordChannel, 0)), // -256
		"hundred years":          value("x", "", "", set(abi.RecordTime+7, 0x7F)),
	} {
		m, _ := manager(t, Options{})
		out := wasmtest.Item(abi.StatusOK, 2, append(bad, value("good", "", "", nil)...)...)
		load(t, m, "d", handMade(decoderGuest(out)))
		d, err := m.Decode(t.Context(), "d", Request{Payload: []byte{1}})
		if err != nil || len(d.Records) != 1 || d.Records[0].Name != "good" || len(d.Errors) != 1 || !strings.Contains(d.Errors[0], why) {
			t.Errorf("%s: %+v, %v", why, d, err)
		}
	}
}

// An output that cannot be taken apart is a trap, and the next payload meets a fresh instance.
func TestHostileDecoders(t *testing.T) {
	le := binary.LittleEndian
	for name, out := range map[string][]byte{
		"no output":           nil,
		"huge item":           {0xF8, 0xFF, 0xFF, 0xFF},
		"unknown status":      wasmtest.Item(7, 0),
		"more than there are": wasmtest.Item(abi.StatusOK, 2, value("x", "", "", nil)...),
		"65535 records":       wasmtest.Item(abi.StatusOK, 65535),
		"record of size 0":    wasmtest.Item(abi.StatusOK, 1, make([]byte, 32)...),
		"record too long":     wasmtest.Item(abi.StatusOK, 1, value("x", "", "", func(b []byte) { le.PutUint16(b, 0xFFF8) })...),
		"name too long":       wasmtest.Item(abi.StatusOK, 1, value("x", "", "", func(b []byte) { b[abi.RecordName] = 255 })...),
		"value too long":      wasmtest.Item(abi.StatusOK, 1, value("x", "", "", func(b []byte) { le.PutUint16(b[abi.RecordValue:], 65535) })...),
		"unknown tag":         wasmtest.Item(abi.StatusOK, 1, value("x", "", "", func(b []byte) { b[abi.RecordTag] = 9 })...),
		"note too long":       wasmtest.Item(abi.StatusOK, 1, 8, 0, abi.TagError, 0, 1, 0, 0, 0),
	} {
		m, journal := manager(t, Options{Pool: 1})
		load(t, m, "d", handMade(decoderGuest(out)))
		for k := range byte(3) {
			var trap *engine.Trap
			if _, err := m.Decode(t.Context(), "d", Request{Payload: []byte{1, 2, k}}); !errors.As(err, &trap) {
				t.Errorf("%s: %v, want a trap", name, err)
			}
			await(t, journal, "trapped")
		}
		if st := m.List()[0]; st.Traps != 3 || !strings.Contains(st.LastTrap.Input, "010202") {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

func TestDecoderThatFailsItsVectors(t *testing.T) {
	vector := func(payload string) map[string]any {
		return map[string]any{"vectors": []any{map[string]any{
			"id": "one", "payload": payload, "records": []any{map[string]any{"name": "x", "value": 1.5}},
		}}}
	}
	for want, c := range map[string]struct {
		vectors any
		output  []byte
	}{
		"":                      {vector("00"), wasmtest.Item(abi.StatusOK, 1, value("x", "", "", nil)...)},
		"one: x has the unit":   {vector("00"), wasmtest.Item(abi.StatusOK, 1, value("x", "V", "", nil)...)},
		"one: 0 records, want":  {vector("00"), wasmtest.Item(abi.StatusOK, 0)},
		"one: record 0 is y":    {vector("00"), wasmtest.Item(abi.StatusOK, 1, value("y", "", "", nil)...)},
		"payload of one":        {vector("zz"), nil},
		"unknown field":         {map[string]any{"vektors": 1}, nil},
		"fails its own vector:": {vector("00"), nil},
	} {
		g := decoderGuest(c.output)
		g.Manifest["vectors"] = c.vectors
		m, _ := manager(t, Options{})
		err := m.Load(t.Context(), Spec{Name: "d", Source: handMade(g)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestPayloadsThatDoNotFit(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "d", handMade(decoderGuest(wasmtest.Item(abi.StatusOK, 0))))
	for want, req := range map[string]Request{
		"has room for 8192": {Payload: make([]byte, 8192)},
		"variable a is a":   {Variables: map[string]any{"a": []int{1}}},
		"at most 255 bytes": {Variables: map[string]any{strings.Repeat("a", 256): true}},
	} {
		if _, err := m.Decode(t.Context(), "d", req); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if st := m.List()[0]; st.Traps != 0 {
		t.Errorf("%+v", st)
	}
}

// A busy pool makes a consumer wait, as long as the consumer wants to.
func TestBusyPool(t *testing.T) {
	m, _ := manager(t, Options{Pool: 1})
	load(t, m, "d", handMade(decoderGuest(wasmtest.Item(abi.StatusOK, 0))))
	p, err := m.plugins["d"].enterPool()
	if err != nil {
		t.Fatal(err)
	}
	i, err := p.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := m.Decode(ctx, "d", Request{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	p.give(i)
	p.users.Done()
	if _, err := m.Decode(t.Context(), "d", Request{}); err != nil {
		t.Error(err)
	}
}

// While consumers decode without a pause, versions take turns: every payload is decoded by one of them.
func TestSwapWhileDecoding(t *testing.T) {
	m, _ := manager(t, Options{Pool: 2})
	var versions []Source
	for _, name := range []string{"a", "b"} {
		versions = append(versions, handMade(decoderGuest(wasmtest.Item(abi.StatusOK, 1, value(name, "", "", nil)...))))
	}
	load(t, m, "d", versions[0])
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				d, err := m.Decode(t.Context(), "d", Request{Payload: []byte{1}})
				if err != nil || len(d.Records) != 1 || d.Records[0].Name != "a" && d.Records[0].Name != "b" {
					t.Errorf("%+v, %v", d, err)
					return
				}
			}
		})
	}
	for k := range 30 {
		if err := m.Swap(t.Context(), "d", versions[(k+1)%2]); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
	if st := m.List()[0]; st.Swaps != 30 || st.Traps != 0 || st.Instances > 2 {
		t.Errorf("%+v", st)
	}
}
