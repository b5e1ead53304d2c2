package main

import (
	"encoding/hex"
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
