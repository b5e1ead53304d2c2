package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

func run(t *testing.T, payload []byte) (vectors.Result, int) {
	t.Helper()
	d, err := guest.RunDecoder(&senml{}, guest.Values{}, 0, 0, nil, payload)
	if err != nil {
		t.Fatal(err)
	}
	return vectors.Of(d.Records), d.Consumed
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What the base fields do to the records after them (section 4.1), and what records may say besides a value.
func TestResolution(t *testing.T) {
	found := func(name, unit string, ms int64, v any) vectors.Found {
		return vectors.Found{Name: name, Unit: unit, Channel: -1, Time: ms, Value: v}
	}
	sum := func(f vectors.Found) vectors.Found { f.Statistic = "sum"; return f }
	for payload, want := range map[string][]vectors.Found{
		`[{"bn":"a","bv":10,"n":"b","v":1.5},{"bn":"c:","bv":0,"n":"d","v":2}]`:   {found("ab", "", 0, 11.5), found("c:d", "", 0, 2.0)},
		`[{"bn":"a","bu":"V","v":1},{"u":"A","v":2},{"u":"","vs":"x"}]`:           {found("a", "V", 0, 1.0), found("a", "A", 0, 2.0), found("a", "", 0, "x")},
		`[{"n":"a","t":-5.25,"v":1},{"n":"a","bt":3,"t":1,"v":2}]`:                {found("a", "", -5250, 1.0), found("a", "", 4000, 2.0)},
		`[{"bs":5,"n":"a","v":1},{"n":"a","s":2},{"n":"b","vb":false}]`:           {found("a", "", 0, 1.0), sum(found("a", "", 0, 5.0)), sum(found("a", "", 0, 7.0)), found("b", "", 0, false)},
		`[{"n":"a","v":1,"ut":60,"l":"x"}]`:                                       {found("a", "", 0, 1.0), found("a.ut", "s", 0, 60.0), found("a.l", "", 0, "x")},
		` [ { "bver" : 10 , "n" : "a" , "vs" : "\u00fc\ud83d\ude00\n\/\"\\" } ] `: {found("a", "", 0, "ü😀\n/\"\\")},
		`[{"n":"a","v":-0.5e-3},{"n":"a","v":1E2},{"n":"a","v":0}]`:               {found("a", "", 0, -0.0005), found("a", "", 0, 100.0), found("a", "", 0, 0.0)},
		`[]`:              {},
		`[{"bn":"only"}]`: {},
	} {
		r, consumed := run(t, []byte(payload))
		if len(r.Errors) > 0 || consumed != len(payload) || len(r.Records) != len(want) || len(want) > 0 && !reflect.DeepEqual(r.Records, want) {
			t.Errorf("%s: %+v, %d bytes, want %+v", payload, r, consumed, want)
		}
	}
	r, _ := run(t, []byte(`[{"n":"a","vd":"AQL_"},{"n":"a","vd":"AQI="}]`))
	if len(r.Records) != 2 || !bytes.Equal(r.Records[0].Value.([]byte), []byte{1, 2, 255}) || !bytes.Equal(r.Records[1].Value.([]byte), []byte{1, 2}) {
		t.Errorf("%+v", r)
	}
	r, _ = run(t, []byte(`[{"n":"a","v":1,"foo":[{"x":null}],"bar":{"y":[]}}]`))
	if len(r.Records) != 1 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "field foo is not known") {
		t.Errorf("%+v", r)
	}
}

// A record that means nothing is left out with the reason; one that cannot be read ends the pack, and what stood before it counts.
func TestMistakes(t *testing.T) {
	const good = `{"n":"a","v":1}`
	for payload, want := range map[string]string{
		"":                         "neither an array of JSON nor",
		"{}":                       "neither an array of JSON nor",
		"\x81":                     "it is cut off",
		"\xA0":                     "neither an array of JSON nor",
		"[" + good + `,{"v":1}]`:   "record 2: it has no name",
		"[" + good + `,{"n":"b"}]`: "record 2: it has neither a value nor a sum",
		"[" + good + `,{"n":"b","v":1,"vb":true}]`:              "record 2: it has more than one value",
		"[" + good + `,{"n":"b","v":"1"}]`:                      "record 2: its field v is of the wrong type",
		"[" + good + `,{"n":"b","v":1,"must_":1}]`:              "the field must_, which says",
		"[" + good + `,{"n":"b","v":1,"bver":11}]`:              "version 11 of SenML",
		"[" + good + `,{"n":"b","t":1e300,"v":1}]`:              "its time cannot be",
		"[" + good + `,{"n":"b","vd":"A"}]`:                     "no base64url",
		"[" + good + `,{"n":"b","vd":"A+AA"}]`:                  "no base64url",
		"[" + good + `,{"n":"b","v":1,"v":2}]`:                  "the field v comes twice",
		"[" + good + `,{"n":"b","v":01}]`:                       "want a comma or }",
		"[" + good + `,{"n":"b","v":-}]`:                        "a number without digits",
		"[" + good + `,{"n":"b","v":1.}]`:                       "a fraction without digits",
		"[" + good + `,{"n":"b","v":1e}]`:                       "an exponent without digits",
		"[" + good + `,{"n":"b","v":1e999}]`:                    "a number that is too large",
		"[" + good + `,{"n":"b","vs":"x`:                        "a text without an end",
		"[" + good + `,{"n":"b","vs":"\x"}]`:                    "an unknown escape",
		"[" + good + `,{"n":"b","vs":"\u00"}]`:                  "an escape that is no number",
		"[" + good + ",{\"n\":\"b\",\"vs\":\"\xff\"}]":          "not UTF-8",
		"[" + good + ",{\"n\":\"b\",\"vs\":\"\n\"}]":            "a control character",
		"[" + good + `,{"n":"b","v":nul}]`:                      "want a value",
		"[" + good + `,{"n" "b"}]`:                              "want a colon",
		"[" + good + `,[]]`:                                     "want a record",
		"[" + good + `,]`:                                       "want a record",
		"[" + good:                                              "want a comma or ]",
		"[" + good + "] x":                                      "something follows",
		"[" + good + `,{"x":` + strings.Repeat("[", 30) + "1]]": "nested too deeply",
	} {
		r, consumed := run(t, []byte(payload))
		records := 0
		if strings.Contains(payload, good) {
			records = 1
		}
		if len(r.Records) != records || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], want) || consumed > len(payload) {
			t.Errorf("%q: %+v, want %q", payload, r, want)
		}
	}
	good2 := "a2006161" + "0201" // {0: "a", 2: 1}
	for payload, want := range map[string]string{
		"82" + good2 + "80":                            "want a record: a map",
		"82" + good2:                                   "it is cut off",
		"82" + good2 + "a2006162021bffff":              "it is cut off",
		"82" + good2 + "a200616202ff":                  "an item that cannot be",
		"82" + good2 + "a200616203f6":                  "its field vs is of the wrong type",
		"82" + good2 + "a20061620341ff":                "its field vs is of the wrong type",
		"82" + good2 + "a20061620361ff":                "not UTF-8",
		"82" + good2 + "a2006162037f6161ff":            "in pieces",
		"82" + good2 + "a20061620862686a":              "its field vd is of the wrong type",
		"82" + good2 + "a2f60002f6":                    "a label that is neither",
		"82" + good2 + "a200616202c48101":              "a fraction that is none",
		"82" + good2 + "a2006162026300":                "it is cut off",
		"82" + good2 + "a2006162021c":                  "an item that cannot be",
		"82" + good2 + "a1" + strings.Repeat("81", 40): "nested too deeply",
		"81" + good2 + "00":                            "something follows",
		"9b7fffffffffffffff" + good2:                   "it is cut off",
		"9f" + good2:                                   "it is cut off",
	} {
		r, _ := run(t, unhex(t, payload))
		if len(r.Records) != 1 || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], want) {
			t.Errorf("%s: %+v, want %q", payload, r, want)
		}
	}
}

// The forms of numbers that CBOR has, indefinite lengths, and labels that are texts or unknown.
func TestCBOR(t *testing.T) {
	for payload, want := range map[string]float64{
		"02" + "18ff":                 255,
		"02" + "1a00010000":           65536,
		"02" + "1b0010000000000000":   1 << 52,
		"02" + "3863":                 -100,
		"02" + "f93e00":               1.5,
		"02" + "f90001":               math.Ldexp(1, -24),
		"02" + "f9c400":               -4,
		"02" + "fa47c35000":           100000,
		"02" + "fbc010666666666666":   -4.1,
		"02" + "c48221196ab3":         273.15, // decimal fraction (RFC 8949, 3.4.4)
		"02" + "c4820103":             30,
		"02" + "c5822003":             1.5,
		"6176" + "05":                 5,
		"02" + "05" + "1903e8" + "00": 5, // label 1000 is not known
	} {
		fields := "a2"
		if strings.HasSuffix(payload, "1903e800") {
			fields = "a3"
		}
		r, _ := run(t, unhex(t, "81"+fields+"006161"+payload))
		if len(r.Errors) > 0 || len(r.Records) != 1 || r.Records[0].Value != want {
			t.Errorf("%s: %+v, want %v", payload, r, want)
		}
	}
	r, consumed := run(t, unhex(t, "9fbf0061610206ffbf006162"+"08420102"+"ffff"))
	if len(r.Records) != 2 || r.Records[0].Value != 6.0 || !bytes.Equal(r.Records[1].Value.([]byte), []byte{1, 2}) || consumed != 18 {
		t.Errorf("%+v, %d", r, consumed)
	}
}

// wanted are values of all types, with everything that SenML has a place for.
func wanted() []abi.Record {
	number := func(name string, f float64) abi.Record {
		return abi.Record{Tag: abi.TagValue, Type: abi.TypeNumber, Channel: -1, Name: []byte(name), Bits: math.Float64bits(f)}
	}
	list := []abi.Record{number("a", 1), number("b", -1), number("c", 0.5), number("d", 0.1), number("e", 1e300), number("f", -70000), number("g", math.Copysign(0, -1)), number("h", 1<<60)}
	list[0].Unit, list[0].Offset, list[1].Offset, list[2].Statistic = []byte("Cel"), -1500, abi.AbsoluteTime+1, abi.Sum
	return append(list,
		abi.Record{Tag: abi.TagValue, Type: abi.TypeBool, Channel: -1, Name: []byte("t"), Bits: 1},
		abi.Record{Tag: abi.TagValue, Type: abi.TypeBool, Channel: -1, Name: []byte("f")},
		abi.Record{Tag: abi.TagValue, Type: abi.TypeText, Channel: -1, Name: []byte("s"), Value: []byte("ü\"\\\x01 " + strings.Repeat("x", 300))},
		abi.Record{Tag: abi.TagValue, Type: abi.TypeBytes, Channel: -1, Name: []byte("y"), Unit: []byte("m"), Value: []byte{1, 2, 253, 254}},
	)
}

// What is encoded is decoded again to the same, in both forms.
func TestEncodeAndBack(t *testing.T) {
	for _, format := range []string{"json", "cbor"} {
		s := &senml{}
		config := guest.MakeValues(abi.Value{Name: "format", Type: abi.ListText, Text: format})
		d, err := guest.RunEncoder(s, config, 0, 0, nil, wanted())
		if err != nil || len(d.Records) != 1 || d.Records[0].Tag != abi.TagPayload {
			t.Fatalf("%+v, %v", d, err)
		}
		payload := d.Records[0].Value
		if format == "json" && !json.Valid(payload) {
			t.Errorf("%s", payload)
		}
		r, consumed := run(t, payload)
		want := vectors.Of(wanted())
		if !reflect.DeepEqual(r.Records, want.Records) || consumed != len(payload) || len(r.Errors) > 0 {
			t.Errorf("%s: %+v\nwant %+v", format, r, want)
		}
	}
	for want, r := range map[string]abi.Record{
		"not available":  {Tag: abi.TagValue, Name: []byte("x")},
		"that statistic": {Tag: abi.TagValue, Type: abi.TypeText, Statistic: abi.Sum, Name: []byte("x")},
	} {
		d, err := guest.RunEncoder(&senml{}, guest.Values{}, 0, 0, nil, []abi.Record{r})
		if err != nil || d.Records[0].Tag != abi.TagError || !strings.Contains(string(d.Records[0].Value), want) {
			t.Errorf("%+v, %v", d, err)
		}
	}
}

func TestBase64(t *testing.T) {
	for n := range 20 {
		b := bytes.Repeat([]byte{0xFB, 7, 0x80}, 7)[:n]
		want := base64.RawURLEncoding.EncodeToString(b)
		if got := string(toBase64(nil, string(b))); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if back, ok := unbase64(want); !ok || back != string(b) {
			t.Errorf("% x, want % x", back, b)
		}
	}
}

// FuzzDecode looks for panics, and holds the JSON reader against the standard library's: what that refuses is an error here too.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`[{"bn":"a","n":"b","u":"V","v":1.5e3},{"vs":"\u00fc"}]`))
	f.Add([]byte("\x82\xa2\x00\x61a\x02\x01\xa2\x00\x61b\x02\xf9\x3e\x00"))
	f.Add([]byte("\x9f\xbf\x00\x61a\x02\xc4\x82\x21\x19\x6a\xb3\xff\xff"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > abi.DecoderInput/2 {
			return
		}
		d, err := guest.RunDecoder(&senml{}, guest.Values{}, 0, 0, nil, payload)
		if err != nil {
			return
		}
		if d.Consumed > len(payload) {
			t.Errorf("%d of %d bytes", d.Consumed, len(payload))
		}
		if isJSON := len(payload) > 0 && payload[0] < 0x80; isJSON && len(vectors.Of(d.Records).Errors) == 0 && !json.Valid(payload) {
			t.Errorf("%q is taken", payload)
		}
	})
}
