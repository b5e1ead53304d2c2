package main

import (
	"encoding/hex"
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
	d, err := guest.RunDecoder(milesight{}, guest.Values{}, 85, 0, nil, b)
	if err != nil {
		t.Fatal(err)
	}
	return vectors.Of(d.Records), d.Consumed
}

// What stands before something unknown or cut off counts, and the answer says how far it came.
func TestWhatComesBeforeAnErrorStands(t *testing.T) {
	for payload, want := range map[string]string{
		"017564ab01":   "unknown channel ab type 01",
		"0175640367aa": "truncated: channel 03 type 67 is cut off",
		"01756403":     "truncated: a channel without a type",
	} {
		r, consumed := run(t, payload)
		if len(r.Records) != 1 || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], want) || consumed != 3 {
			t.Errorf("%s: %+v, %d bytes, want %q", payload, r, consumed, want)
		}
	}
}

func TestOddValues(t *testing.T) {
	r, _ := run(t, "0175ff017578050003")
	if len(r.Records) != 3 || r.Records[0].Value != nil || r.Records[1].Value != 120.0 || r.Records[2].Value != true || len(r.Warnings) != 2 {
		t.Errorf("%+v", r)
	}
}

func TestDeviceInformation(t *testing.T) {
	r, consumed := run(t, "ff0bffff0110ff090310ff0a0214ff0f00ff166121c40123456789")
	want := []any{true, "1.0", "3.16", "2.20", 0.0, "6121c40123456789"}
	if len(r.Records) != len(want) || len(r.Errors) > 0 || consumed != 27 {
		t.Fatalf("%+v, %d bytes", r, consumed)
	}
	for i, w := range want {
		if r.Records[i].Value != w {
			t.Errorf("%+v, want %v", r.Records[i], w)
		}
	}
}

// Everything in the table is described, with its unit.
func TestDescribe(t *testing.T) {
	d, err := guest.RunDescribe(milesight{}, guest.Values{})
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, r := range d.Records {
		described[string(r.Name)+" "+string(r.Unit)] = true
	}
	for _, f := range fields {
		got, err := guest.RunDecoder(milesight{}, guest.Values{}, 0, 0, nil, append([]byte{f.channel, f.kind}, make([]byte, f.size)...))
		if err != nil || len(got.Records) == 0 {
			t.Errorf("%x %x: %+v, %v", f.channel, f.kind, got, err)
		}
		for _, r := range got.Records {
			if !described[string(r.Name)+" "+string(r.Unit)] {
				t.Errorf("%s in %s is not described", r.Name, r.Unit)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x01, 0x75, 0x5c, 0x03, 0x67, 0x34, 0x01})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > abi.DecoderInput/2 {
			return
		}
		d, err := guest.RunDecoder(milesight{}, guest.Values{}, 0, 0, nil, payload)
		if err == nil && d.Consumed > len(payload) {
			t.Errorf("%d of %d bytes", d.Consumed, len(payload))
		}
	})
}
