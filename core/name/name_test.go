package name_test

import (
	"strings"
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

// Both examples stand in the public record (protocol page, part 1).
func TestHashOfThePublicExample(t *testing.T) {
	if got := name.Hash("location/hq/floor/2/room/22/event/temp").String(); got != "f49f767abffb" {
		t.Fatalf("hash is %s, want f49f767abffb", got)
	}
}

func TestP18HelloIsReservedInBothNamings(t *testing.T) {
	if got := name.Hello.String(); got != "fe5a48454c4f" {
		t.Fatalf("hello is %s", got)
	}
	for _, w := range []*name.Network{hashed(t, name.Settings{}), office(t)} {
		if w.Class(name.Hello) != name.Management || !w.Valid(name.Hello) {
			t.Errorf("%s: hello is %s, valid %v", w.Naming(), w.Class(name.Hello), w.Valid(name.Hello))
		}
	}
}

func TestParseHex(t *testing.T) {
	for _, bad := range []string{"", "0102030405", "01020304050607", "01020304050g", " 10203040506", "0x0102030405"} {
		if n, err := name.ParseHex(bad); err == nil {
			t.Errorf("%q is read as %s", bad, n)
		}
	}
	n, err := name.ParseHex("F49F767ABFFB")
	if err != nil || n.String() != "f49f767abffb" {
		t.Errorf("got %s, %v", n, err)
	}
}

func TestKeyKeepsNetworkAndName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, net := anyName().Draw(t, "name"), rapid.Uint8().Draw(t, "net")
		k := name.MakeKey(net, n)
		if k.Net() != net || k.Name() != n {
			t.Fatalf("key %x gives network %d and name %s", uint64(k), k.Net(), k.Name())
		}
		if name.FromUint48(n.Uint48()|0xABCD<<48) != n {
			t.Fatal("bits above 48 change the name")
		}
		if back, err := name.ParseHex(strings.ToUpper(n.String())); err != nil || back != n {
			t.Fatalf("%s comes back as %s, %v", n, back, err)
		}
	})
}

// officeLevels is the table of the example in the public record, with a few more pairs.
func officeLevels() []name.Level {
	return []name.Level{
		{{Text: "location/hq", Byte: 0x01}, {Text: "location/lab", Byte: 0x9F}, {Text: "live/hq", Byte: 0xA0}, {Text: "device/own", Byte: 0xFD}},
		{{Text: "floor/1", Byte: 0x01}, {Text: "floor=2", Byte: 0x02}},
		{{Text: "room/22", Byte: 0x16}, {Text: "room/merkur", Byte: 0x03}, {Text: "hall/west", Byte: 0x04}},
		{{Text: "event/temp", Byte: 0x01}, {Text: "event/hum", Byte: 0xFE}},
	}
}

func office(t testing.TB) *name.Network {
	t.Helper()
	return network(t, name.Settings{Naming: name.Hierarchical, Levels: officeLevels()})
}

func hashed(t testing.TB, s name.Settings) *name.Network {
	t.Helper()
	return network(t, s)
}

func network(t testing.TB, s name.Settings) *name.Network {
	t.Helper()
	w, err := name.NewNetwork(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func hexName(t testing.TB, s string) name.Name {
	t.Helper()
	n, err := name.ParseHex(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// anyName has the bytes that rules speak of more often than chance would.
func anyName() *rapid.Generator[name.Name] {
	return rapid.Custom(func(t *rapid.T) name.Name {
		special := rapid.SampledFrom([]byte{0x00, 0x01, 0x02, 0x9F, 0xA0, 0xAF, 0xFD, 0xFE, 0xFF})
		var n name.Name
		for i := range n {
			n[i] = rapid.OneOf(special, rapid.Byte()).Draw(t, "byte")
		}
		return n
	})
}

// wantError checks that err is one that names every word.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}
