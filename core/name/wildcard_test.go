package name_test

import (
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

func TestP5WildcardMatchesOneByte(t *testing.T) {
	w := office(t)
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"01ff03010000", "010203010000", true},
		{"01ff03010000", "01fe03010000", true},
		{"01ff03010000", "010204010000", false},
		{"01ff00000000", "010200000000", true},
		{"01ff00000000", "010203000000", false}, // one byte, not the rest
		{"01ff00000000", "010000000000", false}, // 00 is no byte of a name
		{"01ffffffffff", "010203040506", true},
		{"01ffffffffff", "010203040500", false},
		{"ff0203010000", "010203010000", false}, // level 0 is no wildcard
		{"010203010000", "010203010000", true},
		{"01ff03010000", "01ff03010000", true}, // a pattern matches itself
	} {
		if got := w.Match(hexName(t, c.pattern), hexName(t, c.name)); got != c.want {
			t.Errorf("%s on %s: %v", c.pattern, c.name, got)
		}
	}
}

func TestP5WildcardIsASetting(t *testing.T) {
	w := network(t, name.Settings{Naming: name.Hierarchical, Wildcard: 0xF0, Levels: []name.Level{
		{p("location/hq", 1)}, {p("floor/last", 0xFF)},
	}})
	n, err := w.Parse("location/hq/*")
	if err != nil || n.String() != "01f000000000" || w.Wildcard() != 0xF0 {
		t.Fatalf("got %s, %v", n, err)
	}
	last := hexName(t, "01ff00000000")
	if !w.Match(n, last) || w.IsWildcard(last) || !w.Valid(last) || w.Valid(n) {
		t.Error("FF is still the wildcard")
	}
}

// Match agrees with the sentence of P-5, written out without any trick.
func TestP5MatchAgainstModel(t *testing.T) {
	w := office(t)
	rapid.Check(t, func(t *rapid.T) {
		n := anyName().Draw(t, "name")
		pattern := patternNear(n).Draw(t, "pattern")
		want := pattern[0] == n[0]
		for i := 1; i < name.Size; i++ {
			want = want && (pattern[i] == n[i] && n[i] != 0xFF || pattern[i] == 0xFF && n[i] != 0 || pattern[i] == 0 && n[i] == 0)
		}
		if got := w.Match(pattern, n); got != want {
			t.Fatalf("%s on %s: %v, model %v", pattern, n, got, want)
		}
	})
}

// A table finds every pattern that matches a name by trying the masks that are in use.
func TestP5MaskFindsThePattern(t *testing.T) {
	w := office(t)
	rapid.Check(t, func(t *rapid.T) {
		n := anyName().Draw(t, "name")
		pattern := patternNear(n).Draw(t, "pattern")
		mask := w.Mask(pattern)
		if mask&^0b111110 != 0 || w.IsWildcard(pattern) != (mask != 0) {
			t.Fatalf("mask of %s is %06b, wildcard %v", pattern, mask, w.IsWildcard(pattern))
		}
		got, ok := w.ApplyMask(n, mask)
		if (ok && got == pattern) != w.Match(pattern, n) {
			t.Fatalf("%s with mask %06b gives %s, %v; pattern %s", n, mask, got, ok, pattern)
		}
		if ok && w.Mask(got)&mask != mask {
			t.Fatalf("%s lost wildcards of %06b", got, mask)
		}
	})
}

func TestP5OverlapsAgainstModel(t *testing.T) {
	w := office(t)
	rapid.Check(t, func(t *rapid.T) {
		n := validName().Draw(t, "name")
		pattern := patternNear(n).Draw(t, "pattern")
		prefix := name.MakePrefix(n, uint8(rapid.IntRange(0, name.Size).Draw(t, "len")))
		if w.Match(pattern, n) && !w.Overlaps(prefix, pattern) {
			t.Fatalf("%s is in %s and matches %s, yet these do not overlap", n, prefix, pattern)
		}
		if w.Overlaps(prefix, pattern) && !w.Match(pattern, witness(prefix, pattern)) {
			t.Fatalf("%s overlaps %s, but %s does not match", prefix, pattern, witness(prefix, pattern))
		}
	})
}

// witness is a name that is in the prefix and matches the pattern, if any is.
func witness(prefix name.Prefix, pattern name.Name) name.Name {
	n := prefix.Name
	for i := int(prefix.Len); i < name.Size; i++ {
		n[i] = pattern[i]
	}
	return n
}

// patternNear draws names that often match n: bytes of n, wildcards and now and then others.
func patternNear(n name.Name) *rapid.Generator[name.Name] {
	return rapid.Custom(func(t *rapid.T) name.Name {
		for i := range n {
			switch rapid.IntRange(0, 8).Draw(t, "kind") {
			case 0, 1, 2:
				n[i] = 0xFF
			case 3:
				n[i] = rapid.SampledFrom([]byte{0, 1, 0xFE}).Draw(t, "byte")
			}
		}
		return n
	})
}

// validName draws names that a Content of a hierarchical network may have.
func validName() *rapid.Generator[name.Name] {
	return rapid.Custom(func(t *rapid.T) name.Name {
		n := name.Name{byte(rapid.IntRange(0x01, 0xAF).Draw(t, "class"))}
		for i := 1; i < rapid.IntRange(1, name.Size).Draw(t, "depth"); i++ {
			n[i] = byte(rapid.IntRange(0x01, 0xFE).Draw(t, "byte"))
		}
		return n
	})
}
