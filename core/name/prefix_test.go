package name_test

import (
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

func TestParsePrefixHierarchical(t *testing.T) {
	w := office(t)
	for text, want := range map[string]name.Prefix{
		"":                     {},
		"01":                   {Len: 1, Name: name.Name{1}},
		"0102":                 {Len: 2, Name: name.Name{1, 2}},
		"FD":                   {Len: 1, Name: name.Name{0xFD}},
		"010203010000":         {Len: 6, Name: name.Name{1, 2, 3, 1}},
		"location/hq/":         {Len: 1, Name: name.Name{1}},
		"location/hq/floor/2/": {Len: 2, Name: name.Name{1, 2}},
		"location/hq/floor/2":  {Len: 6, Name: name.Name{1, 2}}, // no slash: this one name
	} {
		got, err := w.ParsePrefix(text)
		if err != nil || got != want || !w.ValidPrefix(got) {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, words := range map[string][]string{
		"010":                  {"3 hex digits", "even"},
		"01020301000000":       {"14 hex digits"},
		"C0":                   {"reserved"},
		"/":                    {"reserved"},
		"00":                   {"reserved"},
		"01ff":                 {"wildcard", "P-5"},
		"01ff00000000":         {"wildcard", "P-5"},
		"010002":               {"00"},
		"location/hq/floor/*/": {"wildcard", "P-5"},
		"location/hq/floor/":   {"level 1", "noun"},
		"location/hq/floor/9/": {"level 1", `"floor/9"`, "floor/1"},
		"location/nowhere":     {"level 0", `"location/nowhere"`},
	} {
		_, err := w.ParsePrefix(text)
		wantError(t, err, append(words, "prefix")...)
	}
}

func TestP14PrefixesOfAHashedNetwork(t *testing.T) {
	w := hashed(t, name.Settings{})
	for text, want := range map[string]name.Prefix{
		"":             {},
		"f49f767abffb": {Len: 6, Name: name.Hash(roomURI)},
		roomURI:        {Len: 6, Name: name.Hash(roomURI)},
	} {
		got, err := w.ParsePrefix(text)
		if err != nil || got != want || !w.ValidPrefix(got) {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"01", "0102", "010", "location/hq/", "01020304050607"} {
		_, err := w.ParsePrefix(text)
		wantError(t, err, "hashed", "P-14", "12 hex digits")
	}
	_, err := w.ParsePrefix("location/*")
	wantError(t, err, "prefix", "P-14")
}

func TestP7PrefixesOfAnnouncements(t *testing.T) {
	hier, hash := office(t), hashed(t, name.Settings{})
	for _, c := range []struct {
		p          name.Prefix
		hier, hash bool
	}{
		{name.Prefix{}, true, true},
		{name.Prefix{Len: 1, Name: name.Name{1}}, true, false},
		{name.Prefix{Len: 1, Name: name.Name{1, 2}}, false, false}, // bytes past the length
		{name.Prefix{Len: 6, Name: name.Name{1, 2}}, true, true},
		{name.Prefix{Len: 6, Name: name.Name{0xC0, 2}}, false, true},
		{name.Prefix{Len: 2, Name: name.Name{1, 0xFF}}, false, false},
		{name.Prefix{Len: 7, Name: name.Name{1, 2}}, false, false},
	} {
		if hier.ValidPrefix(c.p) != c.hier || hash.ValidPrefix(c.p) != c.hash {
			t.Errorf("%+v: %v %v", c.p, hier.ValidPrefix(c.p), hash.ValidPrefix(c.p))
		}
	}
}

func TestPrefixContainsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, m := anyName().Draw(t, "n"), anyName().Draw(t, "m")
		p := name.MakePrefix(n, uint8(rapid.IntRange(0, 7).Draw(t, "len")))
		if p.Len > name.Size || p.String() != n.String()[:2*p.Len] || !p.Contains(n) {
			t.Fatalf("prefix %+v of %s", p, n)
		}
		copy(m[:], n[:rapid.IntRange(0, name.Size).Draw(t, "shared")])
		if want := n.String()[:2*p.Len] == m.String()[:2*p.Len]; p.Contains(m) != want {
			t.Fatalf("%s contains %s: %v", p, m, !want)
		}
		q := name.MakePrefix(m, uint8(rapid.IntRange(0, name.Size).Draw(t, "len2")))
		want := len(p.String()) <= len(q.String()) && p.String() == q.String()[:len(p.String())]
		if p.ContainsPrefix(q) != want {
			t.Fatalf("%s contains %s: %v", p, q, !want)
		}
	})
}

func TestPrefixSetAgainstModel(t *testing.T) {
	prefix := rapid.Custom(func(t *rapid.T) name.Prefix {
		n := name.Name{1, rapid.SampledFrom([]byte{1, 2}).Draw(t, "b1"), rapid.SampledFrom([]byte{1, 2}).Draw(t, "b2")}
		return name.MakePrefix(n, uint8(rapid.IntRange(0, name.Size).Draw(t, "len")))
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(prefix, 0, 5).Draw(t, "list")
		set := name.NewPrefixSet(list...)
		p := prefix.Draw(t, "p")
		covers, coversPrefix := false, false
		for _, q := range list {
			covers = covers || q.Contains(p.Name)
			coversPrefix = coversPrefix || q.ContainsPrefix(p)
		}
		if set.Covers(p.Name) != covers || set.CoversPrefix(p) != coversPrefix {
			t.Fatalf("set %s of %v on %s: %v %v", set, list, p, set.Covers(p.Name), set.CoversPrefix(p))
		}
		if (set.Len() == 0) != (len(list) == 0) || set.Len() > len(list) {
			t.Fatalf("set %s of %v", set, list)
		}
	})
}

func TestPrefixSetIsDenyByDefault(t *testing.T) {
	var none name.PrefixSet
	if none.Covers(name.Name{1}) || none.CoversPrefix(name.Prefix{}) || none.String() != "" {
		t.Error("the empty set covers something")
	}
	set := name.NewPrefixSet(name.MakePrefix(name.Name{1, 2, 3}, 3), name.MakePrefix(name.Name{1, 2}, 2), name.MakePrefix(name.Name{1, 2}, 2), name.MakePrefix(name.Name{9}, 1))
	if set.Len() != 2 || set.String() != `"0102", "09"` {
		t.Errorf("set is %s", set)
	}
	if all := name.NewPrefixSet(name.Prefix{}); !all.Covers(name.Name{}) || all.String() != `""` {
		t.Errorf("set of everything is %s", all)
	}
	// A pattern is covered only if all that it matches is.
	if set.Covers(name.Name{1, 0xFF, 3}) || !set.Covers(name.Name{1, 2, 0xFF}) {
		t.Error("patterns are covered wrongly")
	}
}

func FuzzParsePrefix(f *testing.F) {
	hier, hash := office(f), hashed(f, name.Settings{})
	for _, s := range []string{"", "01", "location/hq/", "//", "/", "01ff", "010203040506", roomURI} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, w := range []*name.Network{hier, hash} {
			p, err := w.ParsePrefix(text)
			if err != nil {
				continue
			}
			if !w.ValidPrefix(p) {
				t.Fatalf("%s: %q gives %+v", w.Naming(), text, p)
			}
			if back, err := w.ParsePrefix(p.String()); err != nil || back != p {
				t.Fatalf("%s: %q gives %s, read as %+v, %v", w.Naming(), text, p, back, err)
			}
		}
	})
}
