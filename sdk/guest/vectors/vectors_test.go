package vectors

import (
	"strings"
	"testing"
)

const file = `{"map": {
  "t": {"record": "temperature", "unit": "Cel", "type": 103},
  "state": {"record": "leak", "values": {"dry": false}},
  "acc.x": {"record": "a_x", "factor": 2},
  "p_4": {"record": "p", "channel": 4}
 }, "vectors": [
  {"id": "data", "payload": "00", "expect": {"data": {"t": 1, "state": "dry", "acc": {"x": 1.5}, "p_4": "on"}}, "also": ["extra"]},
  {"id": "list", "payload": "00", "expect": {"records": [{"channel": 3, "type": 103, "name": "t", "value": 21.5}]}},
  {"id": "error", "payload": "00", "expect": {"error": "cut off"}},
  {"id": "ours", "payload": "00", "records": [{"name": "x", "value": null}, {"name": "y", "value": {"hex": "0102"}, "channel": 2}], "warnings": ["odd"]}
 ]}`

func read(t *testing.T) *File {
	t.Helper()
	f, err := Read([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// good is what each of the vectors wants.
func good() []Result {
	return []Result{
		{Records: []Found{{Name: "temperature", Unit: "Cel", Channel: -1, Value: 1 + 1e-10}, {Name: "leak", Unit: "", Channel: -1, Value: false}, {Name: "a_x", Unit: "", Channel: -1, Value: 3.0}, {Name: "p", Unit: "", Channel: 4, Value: "on"}, {Name: "extra", Unit: "", Channel: -1, Value: 0.0}}},
		{Records: []Found{{Name: "temperature", Unit: "Cel", Channel: 3, Value: 21.5}}},
		{Errors: []string{"it is cut off"}},
		{Records: []Found{{Name: "x", Unit: "", Channel: -1, Value: nil}, {Name: "y", Channel: 2, Value: []byte{1, 2}}}, Warnings: []string{"it is odd"}},
	}
}

func TestGoodResults(t *testing.T) {
	f := read(t)
	for i, r := range good() {
		if err := f.Check(&f.Vectors[i], r); err != nil {
			t.Error(err)
		}
	}
}

// Nothing may be left out, on either side.
func TestDifferences(t *testing.T) {
	f := read(t)
	for want, change := range map[string]func(r []Result){
		"data: temperature has the unit": func(r []Result) { r[0].Records[0].Unit = "K" },
		"data: temperature is 1.1":       func(r []Result) { r[0].Records[0].Value = 1.1 },
		"data: leak is true":             func(r []Result) { r[0].Records[1].Value = true },
		"data: no record a_x":            func(r []Result) { r[0].Records[2].Name = "a_y" },
		"data: no record p":              func(r []Result) { r[0].Records[3].Channel = 5 },
		"data: nothing expects":          func(r []Result) { r[0].Records[4].Name = "other" },
		"data: 1 errors":                 func(r []Result) { r[0].Errors = []string{"x"} },
		"list: no record temperature":    func(r []Result) { r[1].Records[0].Channel = 2 },
		"error: 0 errors":                func(r []Result) { r[2].Errors = nil },
		`error: error "fine"`:            func(r []Result) { r[2].Errors[0] = "fine" },
		"ours: 1 records":                func(r []Result) { r[3].Records = r[3].Records[:1] },
		"ours: record 0 is z":            func(r []Result) { r[3].Records[0].Name = "z" },
		"ours: x is 0":                   func(r []Result) { r[3].Records[0].Value = 0.0 },
		"ours: y has the channel 1":      func(r []Result) { r[3].Records[1].Channel = 1 },
		"ours: y is [1]":                 func(r []Result) { r[3].Records[1].Value = []byte{1} },
		"ours: 0 warnings":               func(r []Result) { r[3].Warnings = nil },
	} {
		all := good()
		change(all)
		found := ""
		for i, r := range all {
			if err := f.Check(&f.Vectors[i], r); err != nil {
				found += err.Error() + "\n"
			}
		}
		if !strings.Contains(found, want) {
			t.Errorf("%q, want %q in it", found, want)
		}
	}
}

func TestVectorsThatSayTooMuch(t *testing.T) {
	for want, text := range map[string]string{
		"unknown field":                `{"vectors": [{"id": "a", "payloat": "00"}]}`,
		"has no id":                    `{"vectors": [{"payload": "00", "errors": ["x"]}]}`,
		"expects nothing":              `{"vectors": [{"id": "a", "payload": "00"}]}`,
		"follows after the end":        `{"vectors": []} {}`,
		"a: the vendor's field u":      `{"vectors": [{"id": "a", "payload": "00", "expect": {"data": {"u": 1}}}]}`,
		"a: expect.extra is not":       `{"vectors": [{"id": "a", "payload": "00", "expect": {"extra": 1}}]}`,
		"a: t.quality is not":          `{"map": {"t": {"record": "t"}}, "vectors": [{"id": "a", "payload": "00", "expect": {"records": [{"name": "t", "value": 1, "quality": 2}]}}]}`,
		"a: t has the type 5, and the": `{"map": {"t": {"record": "t"}}, "vectors": [{"id": "a", "payload": "00", "expect": {"records": [{"name": "t", "value": 1, "type": 5}]}}]}`,
	} {
		f, err := Read([]byte(text))
		if err == nil {
			err = f.Check(&f.Vectors[0], Result{Records: []Found{{Name: "t", Unit: "", Channel: -1, Value: 1.0}}})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

// The shapes of the field's own tests: units beside values, a list whose entries are keyed by several fields, resolved SenML, texts that are
// numbers, and values that stand for no record.
const shapes = `{"map": {
  "t": {"record": "temperature", "unit": "Cel", "theirs": "°C"},
  "b.type": {"record": "button"}, "b.more": {"record": "more", "absent": [null]},
  "slave.id": {"record": "id", "form": "number"}, "slave.status": {"record": "status", "form": "hex"}, "slave.product": {"record": "product", "absent": [""]},
  "Volume | Max | 1": {"record": "volume.storage1", "unit": "m3", "statistic": "maximum", "factor": 0.001},
  "Raw |  | ": {"record": "raw", "form": "bytes"}, "Day |  | ": {"record": "day", "values": {"2000-00-00": null}},
  "error": {"record": "", "values": {"e_cut": "is cut"}}
 }, "entries": {"key": ["Quantity", "Function", "Storage"], "value": "Value"}, "vectors": [
  {"id": "values", "payload": "00", "expect": {"values": {"t": 1, "b": {"type": "press", "more": null}}, "units": {"t": "°C"}, "note": "for people"}},
  {"id": "list", "payload": "00", "expect": {"slave": {"id": "0012", "status": "1F", "product": ""}, "records": [
     {"Quantity": "Volume", "Function": "Max", "Storage": "1", "Value": 5000}, {"Quantity": "Raw", "Value": "0E 4F"}, {"Quantity": "Day", "Value": "2000-00-00"}]}},
  {"id": "resolved", "payload": "00", "received": 1498780179000, "expect": {"resolved": [
     {"n": "a:x", "u": "V", "t": 1498780179, "v": 1, "s": 9, "l": "link"}, {"n": "a:x", "t": 1320067464.5, "vb": true}, {"n": "a:x", "t": 1498780178, "vs": "y"}]}},
  {"id": "error", "payload": "00", "expect": {"error": "e_cut"}}
 ]}`

func shaped() []Result {
	return []Result{
		{Records: []Found{{Name: "button", Channel: -1, Value: "press"}, {Name: "temperature", Unit: "Cel", Channel: -1, Value: 1.0}}},
		{Records: []Found{
			{Name: "id", Value: 12.0},
			{Name: "status", Value: 31.0},
			{Name: "volume.storage1", Unit: "m3", Statistic: "maximum", Value: 5.0},
			{Name: "raw", Value: []byte{0x0E, 0x4F}},
			{Name: "day"},
		}},
		{Records: []Found{
			{Name: "a:x", Unit: "V", Value: 1.0},
			{Name: "a:x", Unit: "V", Statistic: "sum", Value: 9.0},
			{Name: "a:x.l", Value: "link"},
			{Name: "a:x", Time: 1320067464500, Value: true},
			{Name: "a:x", Time: -1000, Value: "y"},
		}},
		{Errors: []string{"it is cut off"}},
	}
}

func TestShapes(t *testing.T) {
	f, err := Read([]byte(shapes))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range shaped() {
		if err := f.Check(&f.Vectors[i], r); err != nil {
			t.Error(err)
		}
	}
	for want, change := range map[string]func(r []Result){
		"values: no record button":             func(r []Result) { r[0].Records[0].Name = "b" },
		"nothing expects the record more":      func(r []Result) { r[0].Records = append(r[0].Records, Found{Name: "more"}) },
		"list: no record volume.storage1":      func(r []Result) { r[1].Records[2].Statistic = "" },
		"list: volume.storage1 is 6":           func(r []Result) { r[1].Records[2].Value = 6.0 },
		"list: id is 13":                       func(r []Result) { r[1].Records[0].Value = 13.0 },
		"list: raw is [14]":                    func(r []Result) { r[1].Records[3].Value = []byte{14} },
		"list: day is x":                       func(r []Result) { r[1].Records[4].Value = "x" },
		"resolved: a:x has the unit":           func(r []Result) { r[2].Records[0].Unit = "" },
		"resolved: a:x is of 1498780179001 ms": func(r []Result) { r[2].Records[0].Time = 1 },
		"resolved: no record a:x.l":            func(r []Result) { r[2].Records[2].Name = "a:x.k" },
		"resolved: a:x is false":               func(r []Result) { r[2].Records[3].Value = false },
		"error: error \"other\"":               func(r []Result) { r[3].Errors[0] = "other" },
	} {
		all, found := shaped(), ""
		change(all)
		for i, r := range all {
			if err := f.Check(&f.Vectors[i], r); err != nil {
				found += err.Error() + "\n"
			}
		}
		if !strings.Contains(found, want) {
			t.Errorf("%q, want %q in it", found, want)
		}
	}
	for want, text := range map[string]string{
		"t is in \"K\"":   `{"map": {"t": {"record": "t", "theirs": "C"}}, "vectors": [{"id": "a", "payload": "00", "expect": {"units": {"t": "K"}}}]}`,
		"u is in \"K\"":   `{"vectors": [{"id": "a", "payload": "00", "expect": {"units": {"u": "K"}}}]}`,
		"does not name":   `{"entries": {"key": ["q"], "value": "v"}, "vectors": [{"id": "a", "payload": "00", "expect": {"records": [{"q": "x", "v": 1, "w": 2}]}}]}`,
		"or no v":         `{"entries": {"key": ["q"], "value": "v"}, "vectors": [{"id": "a", "payload": "00", "expect": {"records": [{"q": "x"}]}}]}`,
		"field extra.a i": `{"vectors": [{"id": "a", "payload": "00", "expect": {"extra": {"a": 1}}}]}`,
	} {
		f, err := Read([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Check(&f.Vectors[0], Result{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

func TestWanted(t *testing.T) {
	f, err := Read([]byte(`{"vectors": [{"id": "a", "way": "both", "payload": "0A", "records": [
		{"name": "x", "unit": "V", "channel": 2, "statistic": "mean", "time": -5, "value": 1.5}, {"name": "y", "value": {"hex": "0102"}},
		{"name": "b", "value": true}, {"name": "t", "value": "text"}, {"name": "n", "value": null}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.Vectors[0].Wanted()
	if err != nil || len(list) != 5 || list[0].Number() != 1.5 || list[0].Channel != 2 || list[0].Offset != -5 || list[0].Statistic != 3 ||
		list[1].Channel != -1 || string(list[1].Value) != "\x01\x02" || list[2].Bits != 1 || string(list[3].Value) != "text" || list[4].Type != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := f.CheckPayload(&f.Vectors[0], []byte{10}, nil); err != nil {
		t.Error(err)
	}
	for _, wrong := range []error{f.CheckPayload(&f.Vectors[0], []byte{11}, nil), f.CheckPayload(&f.Vectors[0], []byte{10}, []string{"no"})} {
		if wrong == nil {
			t.Error("it passes")
		}
	}
	for want, value := range map[string]string{"is no {": `{"hex": "0"}`, "is no number": `[1]`} {
		_, err := Read([]byte(`{"vectors": [{"id": "a", "way": "encode", "payload": "", "records": [{"name": "x", "value": ` + value + `}]}]}`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

func TestBounds(t *testing.T) {
	vector := `{"id":"a","payload":"","errors":["x"]}`
	many := func(n int) []byte { return []byte(`{"vectors":[` + strings.Repeat(vector+",", n-1) + vector + `]}`) }
	if f, err := Read(many(MaxVectors)); err != nil || len(f.Vectors) != MaxVectors {
		t.Error(err)
	}
	if _, err := Read(many(MaxVectors + 1)); err == nil || !strings.Contains(err.Error(), "there may be 1000") {
		t.Error(err)
	}
	if _, err := Read(make([]byte, MaxSize+1)); err == nil || !strings.Contains(err.Error(), "there may be 1048576") {
		t.Error(err)
	}
}
