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
