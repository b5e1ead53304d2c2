package main

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// run decodes a payload given in hex.
func run(t *testing.T, payload string) (vectors.Result, int) {
	t.Helper()
	b, err := hex.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	d, err := guest.RunDecoder(cayenne{}, guest.Values{}, 85, 0, nil, b)
	if err != nil {
		t.Fatal(err)
	}
	return vectors.Of(d.Records), d.Consumed
}

// What stands before something unknown or cut off counts, and the answer says how far it came.
func TestWhatComesBeforeAnErrorStands(t *testing.T) {
	for payload, want := range map[string]string{
		"0167ffd702f0": "unknown type 240 on channel 2",
		"0167ffd70267": "truncated: type 103 on channel 2 is cut off",
		"0167ffd702":   "truncated: a channel without a type",
	} {
		r, consumed := run(t, payload)
		if len(r.Records) != 1 || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], want) || consumed != 4 {
			t.Errorf("%s: %+v, %d bytes, want %q", payload, r, consumed, want)
		}
	}
}

// Each type once, with its extremes where it has a sign.
func TestTypes(t *testing.T) {
	for payload, want := range map[string][]vectors.Found{
		"0000ff":             {{Name: "digital_input", Channel: 0, Value: 255.0}},
		"01028000":           {{Name: "analog_input", Channel: 1, Value: -327.68}},
		"0264ffffffff":       {{Name: "generic", Channel: 2, Value: 4294967295.0}},
		"0373272c":           {{Name: "pressure", Unit: "hPa", Channel: 3, Value: 1002.8}},
		"0479ff38":           {{Name: "altitude", Unit: "m", Channel: 4, Value: -200.0}},
		"058300000001":       {{Name: "energy", Unit: "kWh", Channel: 5, Value: 0.001}},
		"ff87010203":         {{Name: "colour_red", Channel: 255, Value: 1.0}, {Name: "colour_green", Channel: 255, Value: 2.0}, {Name: "colour_blue", Channel: 255, Value: 3.0}},
		"078e02":             {{Name: "switch", Channel: 7, Value: true}},
		"088580000000":       {{Name: "time", Unit: "s", Channel: 8, Value: 2147483648.0}},
		"0978640a66000b6601": {{Name: "percentage", Unit: "/100", Channel: 9, Value: 100.0}, {Name: "presence", Channel: 10, Value: false}, {Name: "presence", Channel: 11, Value: true}},
	} {
		r, _ := run(t, payload)
		if len(r.Errors) > 0 || !slices.Equal(r.Records, want) {
			t.Errorf("%s: %+v, want %+v", payload, r, want)
		}
	}
	r, _ := run(t, "06868ca000000000") // -295.36 degrees a second
	if got := r.Records[0]; got.Unit != "1/s" || got.Value != -29536.0/36000 {
		t.Errorf("%+v", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x01, 0x67, 0xff, 0xd7})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > abi.DecoderInput/2 {
			return
		}
		d, err := guest.RunDecoder(cayenne{}, guest.Values{}, 0, 0, nil, payload)
		if err == nil && d.Consumed > len(payload) {
			t.Errorf("%d of %d bytes", d.Consumed, len(payload))
		}
	})
}

// Whatever is decoded without an error is encoded to the same bytes again, but for switches that are neither 0 nor 1.
func FuzzThereAndBack(f *testing.F) {
	f.Add([]byte{0x01, 0x67, 0xff, 0xd7, 2, 0x71, 1, 2, 3, 4, 5, 6})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 500 {
			return
		}
		d, err := guest.RunDecoder(cayenne{}, guest.Values{}, 0, 0, nil, payload)
		r := vectors.Of(d.Records)
		if err != nil || len(r.Errors)+len(r.Warnings) > 0 || len(payload) == 0 {
			return
		}
		back, err := guest.RunEncoder(cayenne{}, guest.Values{}, 0, 0, nil, d.Records)
		if err != nil || len(back.Records) != 1 || !bytes.Equal(back.Records[0].Value, payload) {
			t.Errorf("%x: %+v, %v", payload, back, err)
		}
	})
}

func TestWhatIsNotEncoded(t *testing.T) {
	number := func(name, unit string, channel int32, n float64) abi.Record {
		return abi.Record{Tag: abi.TagValue, Type: abi.TypeNumber, Channel: channel, Name: []byte(name), Unit: []byte(unit), Bits: math.Float64bits(n)}
	}
	for want, list := range map[string][]abi.Record{
		"wants a channel":    {number("temperature", "Cel", -1, 20)},
		"from 0 to 255":      {number("temperature", "Cel", 256, 20)},
		"is no type":         {number("speed", "m/s", 1, 20)},
		"all parts of one":   {number("acceleration_x", "m/s2", 1, 1), number("acceleration_y", "m/s2", 1, 1)},
		"acceleration_y is ": {number("acceleration_y", "m/s2", 1, 1)},
		"latitude is no":     {number("latitude", "lat", 1, 1), number("longitude", "lon", 2, 1), number("altitude", "m", 1, 1)},
		"beyond what its 2":  {number("temperature", "Cel", 1, -3276.9)},
		"beyond what its 1":  {number("humidity", "%RH", 1, 128)},
		"humidity is beyond": {number("humidity", "%RH", 1, -1)},
	} {
		d, err := guest.RunEncoder(cayenne{}, guest.Values{}, 0, 0, nil, list)
		if err != nil || len(d.Records) != 1 || d.Records[0].Tag != abi.TagError || !strings.Contains(string(d.Records[0].Value), want) {
			t.Errorf("%+v, %v, want %q", d, err, want)
		}
	}
}
