package main

import (
	"encoding/hex"
	"reflect"
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
	d, err := guest.RunDecoder(mbus{}, guest.Values{}, 0, 0, nil, b)
	if err != nil {
		t.Fatal(err)
	}
	return vectors.Of(d.Records), d.Consumed
}

func TestFrames(t *testing.T) {
	for payload, want := range map[string]string{
		"":                          "there is no CI field",
		"99":                        "CI field 99 is not decoded",
		"68":                        "this is no long frame",
		"6803046808057878":          "this is no long frame",
		"680202680805ff16":          "too short for C, A and CI",
		"6803036808057885":          "truncated: the frame has 8 bytes, want 9",
		"680303680805788516" + "00": "something follows the frame",
		"680303680805788517":        "the frame ends with 17, want 16",
		"680303680805788616":        "the checksum is 86, want 85",
		"7a0102":                    "too short header, 2 bytes, want 4",
		"73" + "00":                 "the fixed structure has 1 bytes, want 16",
	} {
		if r, _ := run(t, payload); len(r.Records) != 0 || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], want) {
			t.Errorf("%s: %+v, want %q", payload, r, want)
		}
	}
	if r, consumed := run(t, "680303680805788516"); len(r.Records) > 0 || len(r.Errors) > 0 || consumed != 9 {
		t.Errorf("%+v, %d", r, consumed)
	}
	r, _ := run(t, "7a0a100540") // the short header of wireless meters
	want := []vectors.Found{{Name: "access_number", Channel: -1, Value: 10.0}, {Name: "status", Channel: -1, Value: 16.0}, {Name: "signature", Channel: -1, Value: 16389.0}}
	if !reflect.DeepEqual(r.Records, want) {
		t.Errorf("%+v", r)
	}
}

// Each form of data and each kind of code once, in blocks without a header.
func TestBlocks(t *testing.T) {
	number := func(name, unit string, v float64) vectors.Found {
		return vectors.Found{Name: name, Unit: unit, Channel: -1, Value: v}
	}
	text := func(name, v string) vectors.Found { return vectors.Found{Name: name, Channel: -1, Value: v} }
	none := func(name, unit string) vectors.Found { return vectors.Found{Name: name, Unit: unit, Channel: -1} }
	with := func(f vectors.Found, channel int, statistic string) vectors.Found {
		f.Channel, f.Statistic = channel, statistic
		return f
	}
	for payload, want := range map[string]vectors.Found{
		"0103ff":               number("energy", "Wh", -1),
		"02030080":             number("energy", "Wh", -32768),
		"030340420f":           number("energy", "Wh", 1000000),
		"0703ffffffffffffff7f": number("energy", "Wh", 9223372036854775807),
		"0a0301f0":             number("energy", "Wh", -1), // F: a minus
		"0e03563412907856":     number("energy", "Wh", 567890123456),
		"0a03010a":             none("energy", "Wh"),
		"0003":                 none("energy", "Wh"),
		"0803":                 none("energy", "Wh"),
		"05030000c07f":         none("energy", "Wh"),
		"053fcdcccc3d":         number("volume_flow", "m3/s", 1.0/3600),
		"013564":               number("power", "W", 100*1e5/3600),
		"014564":               number("volume_flow", "m3/s", 1.0/60),
		"014b64":               number("volume_flow", "m3/s", 0.0001),
		"016964":               number("pressure", "Pa", 100000),
		"012305":               number("on_time", "s", 432000),
		"01fd4964":             number("voltage", "V", 100),
		"01fd5964":             number("current", "A", 0.1),
		"01fb0005":             number("energy", "Wh", 500000),
		"01fb0964":             number("energy", "J", 1e11),
		"015305":               number("mass_flow_kg_per_h", "", 5),
		"01837405":             number("energy", "Wh", 0.05), // × 10^-2
		"01837d05":             number("energy", "Wh", 5000),
		"01833c05":             number("energy.negative", "Wh", 5),
		"01832205":             number("energy.vife22", "Wh", 5),
		"017c0368576b05":       number("unit_kWh", "", 5), // the unit last character first
		"016f05":               number("vif_6f", "", 5),
		"01fd7f05":             number("vif_fd7f", "", 5),
		"01fb7f05":             number("vif_fb7f", "", 5),
		"910003" + "05":        with(number("energy", "Wh", 5), -1, "maximum"),
		"2103" + "05":          with(number("energy", "Wh", 5), -1, "minimum"),
		"3103" + "05":          number("energy.error", "Wh", 5),
		"c18e8540" + "0305":    with(number("energy.storage189", "Wh", 5), 4, ""), // 1 + 14×2 + 5×32; unit: bit 2
		"8130" + "0305":        number("energy.tariff3", "Wh", 5),
		"0d0303434241":         text("energy", "ABC"),
		"0d03c21234":           number("energy", "Wh", 3412),
		"0d03d21234":           number("energy", "Wh", -3412),
		"0d03e2ffff":           number("energy", "Wh", -1),
		"0d03e0":               none("", ""),
		"046d38086e19":         text("time", "2011-09-14T08:56:00Z"),
		"046db8086e19":         none("time", ""), // the bit that says so
		"066d1538086e1900":     text("time", "2011-09-14T08:56:21Z"),
		"036d153808":           text("time", "08:56:21"),
		"026cff2c":             text("date", "2023-12-31"),
		"026cff0d":             none("date", ""), // a 13th month
	} {
		r, consumed := run(t, "78"+payload)
		if want.Name == "" { // bytes
			if len(r.Records) != 1 || len(r.Errors) > 0 {
				t.Errorf("%s: %+v", payload, r)
			}
			continue
		}
		if len(r.Errors) > 0 || len(r.Records) != 1 || consumed != 1+len(payload)/2 || !near(r.Records[0], want) {
			t.Errorf("%s: %+v, %d bytes, want %+v", payload, r, consumed, want)
		}
	}
}

// near compares, numbers to twelve digits.
func near(got, want vectors.Found) bool {
	g, ok := got.Value.(float64)
	w, both := want.Value.(float64)
	if ok && both && (g-w)*(g-w) <= 1e-24*w*w {
		got.Value = w
	}
	return got == want
}

// A mistake ends the blocks; what stood before it counts.
func TestMistakes(t *testing.T) {
	const good = "010305"
	for payload, want := range map[string]string{
		"01":                            "premature end of VIF",
		"81":                            "premature end of DIFE",
		"0183":                          "premature end of VIFE",
		"01fd":                          "premature end of VIFE",
		"0103":                          "premature end of data",
		"040300":                        "premature end of data",
		"0d03":                          "premature end of data",
		"0d0305":                        "premature end of data",
		"0d03ca":                        "a length of ca",
		"0d03fa":                        "a length of fa",
		"017c0541":                      "premature end of VIF",
		"7f":                            "DIF 7f is no data",
		strings.Repeat("81", 12):        "too many DIFE",
		"01" + strings.Repeat("83", 12): "too many VIFE",
	} {
		r, consumed := run(t, "78"+good+payload)
		if len(r.Records) != 1 || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], want) || consumed != 4 {
			t.Errorf("%s: %+v, %d bytes, want %q", payload, r, consumed, want)
		}
	}
	for payload, want := range map[string]string{"016f05": "vif_6f is not known", "0a03010a": "energy is no value"} {
		if r, _ := run(t, "78"+payload); len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], want) {
			t.Errorf("%s: %+v", payload, r)
		}
	}
}

// The fixed structure: units of both counters, digits or binary, stored values.
func TestFixed(t *testing.T) {
	for payload, want := range map[string][2]vectors.Found{
		"73" + "78563412" + "01" + "00" + "0500" + "10000000" + "20000000": {{Name: "energy", Unit: "Wh", Value: 10000.0}, {Name: "counter.unit00", Value: 20.0}},
		"73" + "78563412" + "01" + "c0" + "2938" + "10000000" + "20000000": {{Name: "volume.stored", Unit: "m3", Value: 0.016}, {Name: "temperature.stored", Unit: "Cel", Value: 0.032}},
		"73" + "78563412" + "01" + "00" + "353e" + "00360000" + "0a000000": {{Name: "volume_flow", Unit: "m3/s", Value: 1.0}, {Name: "volume_flow.historic", Unit: "m3/s"}},
		"73" + "78563412" + "01" + "80" + "393f" + "01000000" + "02000000": {{Name: "heat_cost", Value: 1.0}, {Name: "count", Value: 2.0}},
		"73" + "78563412" + "01" + "80" + "0c1e" + "01000000" + "24000000": {{Name: "energy", Unit: "J", Value: 10000.0}, {Name: "power", Unit: "W", Value: 100.0}},
	} {
		r, consumed := run(t, payload)
		if len(r.Records) != 6 || len(r.Errors) > 0 || consumed != 17 {
			t.Fatalf("%s: %+v", payload, r)
		}
		for i := range want {
			want[i].Channel = -1
			if !near(r.Records[4+i], want[i]) {
				t.Errorf("%s: %+v, want %+v", payload, r.Records[4+i], want[i])
			}
		}
	}
	if r, _ := run(t, "73"+"7856341f"+"01"+"00"+"0500"+"1a000000"+"20000000"); len(r.Warnings) != 2 || r.Records[0].Value != nil || r.Records[4].Value != nil {
		t.Errorf("%+v", r)
	}
}

func TestDescribe(t *testing.T) {
	d, err := guest.RunDescribe(mbus{}, guest.Values{})
	if err != nil || len(d.Records) < 50 {
		t.Fatalf("%d, %v", len(d.Records), err)
	}
	for _, r := range d.Records {
		if r.Tag != abi.TagField || r.Bits != abi.FieldDecoded {
			t.Errorf("%+v", r)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"681b1b6808017207201800e61e35074c0000000c78072018000c16690200009616", "78c18e85400305", "78046d38086e19", "780d03e2ffff2f0f01",
		"73785634120100050010000000200000000",
	} {
		b, _ := hex.DecodeString(seed)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > abi.DecoderInput/2 {
			return
		}
		d, err := guest.RunDecoder(mbus{}, guest.Values{}, 0, 0, nil, payload)
		if err == nil && d.Consumed > len(payload) {
			t.Errorf("%d of %d bytes", d.Consumed, len(payload))
		}
	})
}
