package main

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// run decodes a payload given in hex.
func run(t *testing.T, payload string, variables map[string]any) (vectors.Result, int) {
	t.Helper()
	b, err := hex.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	d, err := guest.RunDecoder(bthome{}, guest.Values{}, 0, 0, vectors.List(variables), b)
	if err != nil {
		t.Fatal(err)
	}
	return vectors.Of(d.Records), d.Consumed
}

// device is the one of the encrypted vectors.
func device() map[string]any {
	return map[string]any{"bindkey": "231d39c1d7cc1ab1aee224cd096db932", "mac": "54:48:E6:8F:80:A5"}
}

// What stands before something unknown or cut off counts, and the answer says how far it came.
func TestWhatComesBeforeAnErrorStands(t *testing.T) {
	for payload, c := range map[string]struct {
		want     string
		records  int
		consumed int
	}{
		"":                   {"wrong length: the payload is empty", 0, 0},
		"20":                 {"this is version 1 of BTHome", 0, 0},
		"420102":             {"wrong length: the MAC address", 0, 0},
		"4002ca09ee0102":     {"unknown object ee", 1, 4},
		"4002ca0902ca":       {"wrong length: object 02 is cut off", 1, 4},
		"4002ca0953":         {"wrong length: object 53 is cut off", 1, 4},
		"4002ca09530261":     {"wrong length: object 53 is cut off", 1, 4},
		"41":                 {"give the stream the variable bindkey", 0, 0},
		"42a5808fe64854ee01": {"unknown object ee", 0, 7},
	} {
		r, consumed := run(t, payload, nil)
		if len(r.Records) != c.records || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], c.want) || consumed != c.consumed {
			t.Errorf("%s: %+v, %d bytes, want %q", payload, r, consumed, c.want)
		}
	}
}

// Each form of object, with its extremes.
func TestForms(t *testing.T) {
	found := func(name, unit string, value any) vectors.Found {
		return vectors.Found{Name: name, Unit: unit, Channel: -1, Value: value}
	}
	for payload, want := range map[string][]vectors.Found{
		"40020080":                 {found("temperature", "Cel", -327.68)},
		"403effffffff":             {found("count", "", 4294967295.0)},
		"405880":                   {found("temperature", "Cel", -44.8)},
		"40530568656c6c6f5300":     {{Name: "text", Channel: 1, Value: "hello"}, {Name: "text", Channel: 2, Value: ""}},
		"40f204030201":             nil, // an F2 has 3 bytes: 01 is an object without its byte
		"40f2030201":               {found("firmware_version", "", "1.2.3")},
		"40f104030201":             {found("firmware_version", "", "1.2.3.4")},
		"403a003a02":               {{Name: "button", Channel: 2, Value: "double_press"}}, // the first was not pressed
		"403c0203":                 {found("dimmer", "", "rotate_right"), found("dimmer_steps", "", 3.0)},
		"403c0003":                 {},
		"403a77":                   {found("button", "", "event_77")},
		"400f02":                   {found("generic", "", true)},
		"4049100e":                 {found("volume_flow", "m3/s", 0.001)},
		"40524006":                 {found("rotation_rate", "1/s", 1600.0/360000)},
		"4008ca06084804":           {{Name: "dew_point", Unit: "Cel", Channel: 1, Value: 17.38}, {Name: "dew_point", Unit: "Cel", Channel: 2, Value: 10.96}},
		"40061027":                 {found("mass", "kg", 100.0)},
		"42a5808fe6485401640fff60": nil, // 60 has a byte
	} {
		r, _ := run(t, payload, nil)
		if want == nil {
			if len(r.Errors) != 1 {
				t.Errorf("%s: %+v", payload, r)
			}
			continue
		}
		same := len(r.Records) == len(want) && len(r.Errors) == 0
		for i := range want {
			same = same && r.Records[i] == want[i]
		}
		if !same {
			t.Errorf("%s: %+v, want %+v", payload, r, want)
		}
	}
	if r, _ := run(t, "40540401020304", nil); !bytes.Equal(r.Records[0].Value.([]byte), []byte{1, 2, 3, 4}) {
		t.Errorf("%+v", r)
	}
	for payload, want := range map[string]string{"403a77": "unknown event 77", "400f02": "want 0 or 1", "405301ff": "not UTF-8"} {
		if r, _ := run(t, payload, nil); len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], want) {
			t.Errorf("%s: %+v", payload, r)
		}
	}
}

// Whatever is wrong with encrypted data, nothing of it comes out.
func TestEncryptedDataThatCannotBeRead(t *testing.T) {
	good := "4187b90011223372b0231f"
	if r, consumed := run(t, good, device()); len(r.Records) != 1 || consumed != 11 {
		t.Errorf("%+v, %d", r, consumed)
	}
	with := func(key, value string) map[string]any {
		v := device()
		v[key] = value
		return v
	}
	for _, c := range []struct {
		payload, want string
		variables     map[string]any
	}{
		{good, "variable bindkey", with("bindkey", "231d")},
		{good, "variable bindkey", with("bindkey", "zz1d39c1d7cc1ab1aee224cd096db932")},
		{good, "variable mac", with("mac", "")},
		{good, "check value is wrong", with("mac", "54:48:E6:8F:80:A6")},
		{good, "check value is wrong", with("bindkey", "231d39c1d7cc1ab1aee224cd096db933")},
		{"4186b90011223372b0231f", "check value is wrong", device()},
		{"4187b90011223472b0231f", "check value is wrong", device()},
		{"4187b90011223372b0231e", "check value is wrong", device()},
		{"4387b90011223372b0231f", "wrong length", device()},
		{"410011223372b023", "wrong length", device()},
	} {
		if r, _ := run(t, c.payload, c.variables); len(r.Records) > 0 || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], c.want) {
			t.Errorf("%s: %+v, want %q", c.payload, r, c.want)
		}
	}
}

// RFC 3610 has vectors with associated data and longer tags only. So the mode is held against its definition, block by block, for data of
// several blocks: what it opens has the check value that the definition gives, and no other.
func TestCCMOverSeveralBlocks(t *testing.T) {
	block, err := aes.NewCipher([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	nonce := []byte("thirteen byte")
	for _, size := range []int{0, 1, 15, 16, 17, 32, 300} {
		plain := bytes.Repeat([]byte{7}, size)
		data := make([]byte, size)
		e := func(b []byte) []byte { out := make([]byte, 16); block.Encrypt(out, b); return out }
		a := func(i int) []byte { return append(append([]byte{1}, nonce...), byte(i>>8), byte(i)) }
		for i := range data {
			data[i] = plain[i] ^ e(a(i/16 + 1))[i%16]
		}
		x := e(append(append([]byte{0x09}, nonce...), byte(size>>8), byte(size)))
		for at := 0; at < size; at += 16 {
			for k := 0; k < 16 && at+k < size; k++ {
				x[k] ^= plain[at+k]
			}
			x = e(x)
		}
		tag := make([]byte, 4)
		for k := range tag {
			tag[k] = x[k] ^ e(a(0))[k]
		}
		if got, ok := openCCM(block, nonce, data, tag); !ok || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v, % x", size, ok, got)
		}
		tag[3] ^= 1
		if _, ok := openCCM(block, nonce, data, tag); ok {
			t.Errorf("%d bytes: any tag is right", size)
		}
	}
}

// The table is sorted by id, each once, and everything in it is described.
func TestTable(t *testing.T) {
	d, err := guest.RunDescribe(bthome{}, guest.Values{})
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, r := range d.Records {
		described[string(r.Name)+" "+string(r.Unit)] = r.Tag == abi.TagField
	}
	for i, o := range objects {
		if i > 0 && o.id <= objects[i-1].id || o.steps == 0 || o.size == 0 && o.form != text && o.form != raw {
			t.Errorf("%x", o.id)
		}
		if !described[o.name+" "+o.unit] {
			t.Errorf("%s is not described", o.name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"400009015d025d0903b718", "43a5808fe64854f196c06ffb4900112233f08ecbde", "4053026162"} {
		b, _ := hex.DecodeString(seed)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > abi.DecoderInput/2 {
			return
		}
		d, err := guest.RunDecoder(bthome{}, guest.Values{}, 0, 0, vectors.List(device()), payload)
		if err == nil && d.Consumed > len(payload) {
			t.Errorf("%d of %d bytes", d.Consumed, len(payload))
		}
	})
}
