package name_test

import (
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

const roomURI = "location/hq/floor/2/room/22/event/temp"

func TestP14HashedNamesHaveNoWildcardsAndNoClasses(t *testing.T) {
	w := hashed(t, name.Settings{})
	if n, err := w.Parse(roomURI); err != nil || n.String() != "f49f767abffb" {
		t.Errorf("got %s, %v", n, err)
	}
	_, err := w.Parse("location/hq/*/room/22")
	wantError(t, err, "hashed", "P-14")
	rapid.Check(t, func(t *rapid.T) {
		n := anyName().Draw(t, "name")
		if w.IsWildcard(n) || !w.Valid(n) || !w.ValidPattern(n) {
			t.Fatalf("%s: wildcard %v, valid %v %v", n, w.IsWildcard(n), w.Valid(n), w.ValidPattern(n))
		}
		if n != name.Hello && w.Class(n) != name.User {
			t.Fatalf("%s is %s", n, w.Class(n))
		}
		if !w.Match(n, n) {
			t.Fatalf("%s does not match itself", n)
		}
	})
}

func TestP14HashedListsSayTheClass(t *testing.T) {
	w := hashed(t, name.Settings{
		URIs:        []string{roomURI, roomURI},
		Management:  []string{"device/7/command", "ff00000000ff"},
		NeverCached: []string{"live/camera"},
	})
	for text, want := range map[string]name.Class{
		roomURI: name.User, "device/7/command": name.Management, "ff00000000ff": name.Management,
		"live/camera": name.NoCache, "a00000000000": name.User, "fe0000000000": name.User,
	} {
		n, err := w.Parse(text)
		if err != nil || w.Class(n) != want {
			t.Errorf("%s is %s, %v; want %s", text, w.Class(n), err, want)
		}
		if w.NeverCached(n) != (want == name.NoCache) || w.Management(n) != (want == name.Management) {
			t.Errorf("%s: never cached %v, management %v", text, w.NeverCached(n), w.Management(n))
		}
	}
	for _, uri := range []string{roomURI, "device/7/command", "live/camera"} {
		if got, ok := w.URI(name.Hash(uri)); !ok || got != uri {
			t.Errorf("%s comes back as %q, %v", uri, got, ok)
		}
	}
	for _, n := range []name.Name{name.Hash("not/told"), hexName(t, "ff00000000ff")} {
		if got, ok := w.URI(n); ok {
			t.Errorf("%s comes back as %q", n, got)
		}
	}
}

func TestSettingsThatContradictAreRefused(t *testing.T) {
	levels := []name.Level{{p("location/hq", 1)}}
	for what, c := range map[string]struct {
		settings name.Settings
		words    []string
	}{
		"table in hashed":         {name.Settings{Levels: levels}, []string{"hashed", "P-14"}},
		"list in hierarchical":    {name.Settings{Naming: name.Hierarchical, URIs: []string{"a"}}, []string{"hierarchical", "P-14"}},
		"two lists":               {name.Settings{Management: []string{"a/b"}, NeverCached: []string{"a/b"}}, []string{`"a/b"`, "keep one"}},
		"star":                    {name.Settings{NeverCached: []string{"a/*"}}, []string{"never cached", "P-14"}},
		"star in URIs":            {name.Settings{URIs: []string{"a/*"}}, []string{"P-14"}},
		"URIs with the same hash": {name.Settings{URIs: []string{"t/6xxnw5h24c", "t/vgrvqtupec"}}, []string{"6dc69dc765df", "rename"}},
		"Hello never cached":      {name.Settings{NeverCached: []string{name.Hello.String()}}, []string{"device management"}},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := name.NewNetwork(c.settings)
			wantError(t, err, c.words...)
		})
	}
}

func TestP14ClassesOfByteZero(t *testing.T) {
	w := office(t)
	for b := range 256 {
		want := name.Reserved
		switch {
		case b == 0x00:
		case b <= 0x9F:
			want = name.User
		case b <= 0xAF:
			want = name.NoCache
		case b == 0xFE:
			want = name.Management
		case b == 0xFD:
			want = name.Proprietary
		}
		n := name.Name{byte(b), 1}
		if got := w.Class(n); got != want || w.Valid(n) != (want != name.Reserved) {
			t.Errorf("%02X is %s, valid %v; want %s", b, got, w.Valid(n), want)
		}
		if w.NeverCached(n) != (want == name.NoCache) || w.Management(n) != (want == name.Management || want == name.Proprietary) {
			t.Errorf("%02X: never cached %v, management %v", b, w.NeverCached(n), w.Management(n))
		}
	}
}

func TestP23NamesThatAHierarchicalNetworkForbids(t *testing.T) {
	w := office(t)
	for s, want := range map[string]struct{ content, interest bool }{
		"010203010000": {true, true},
		"010203040506": {true, true},
		"010000000000": {true, true},
		"000000000000": {false, false},
		"010002000000": {false, false},
		"010200000001": {false, false},
		"ff0203010000": {false, false}, // no wildcard at level 0
		"b00203010000": {false, false},
		"01ff03010000": {false, true},
		"01ffffffffff": {false, true},
		"010200ff0000": {false, false},
	} {
		n := hexName(t, s)
		if got := w.Valid(n); got != want.content {
			t.Errorf("%s: valid for Content %v", s, got)
		}
		if got := w.ValidPattern(n); got != want.interest {
			t.Errorf("%s: valid for Interest %v", s, got)
		}
	}
}

func FuzzParseHashed(f *testing.F) {
	w := hashed(f, name.Settings{})
	for _, s := range []string{roomURI, "", "*", "f49f767abffb", "F49F", "a/", "/a", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := w.Parse(text)
		if err != nil {
			return
		}
		if hex, err := name.ParseHex(text); err == nil {
			if n != hex {
				t.Fatalf("%q is hex and gives %s", text, n)
			}
			return
		}
		if n != name.Hash(text) {
			t.Fatalf("%q gives %s, not its hash", text, n)
		}
	})
}

// Names of all bytes that matter: whether one ends, where a wildcard stands, and what comes behind the end.
func TestP23AllShapesOfHierarchicalNames(t *testing.T) {
	w := office(t)
	bytes := []byte{0x00, 0x01, 0x80, 0xFE, 0xFF}
	for i := range 5 * 5 * 5 * 5 * 5 {
		n, ended, afterEnd, wild := name.Name{1}, false, false, false
		for j := 1; j < name.Size; j++ {
			n[j], i = bytes[i%5], i/5
			afterEnd = afterEnd || ended && n[j] != 0
			ended = ended || n[j] == 0
			wild = wild || n[j] == w.Wildcard()
		}
		if w.Valid(n) != (!afterEnd && !wild) || w.ValidPattern(n) != !afterEnd || w.IsWildcard(n) != wild {
			t.Errorf("%s: valid %v, as a pattern %v, wildcard %v; ends early %v", n, w.Valid(n), w.ValidPattern(n), w.IsWildcard(n), afterEnd)
		}
	}
}
