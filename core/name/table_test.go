package name_test

import (
	"errors"
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"pgregory.net/rapid"
)

func TestP14HierarchicalNames(t *testing.T) {
	w := office(t)
	for uri, want := range map[string]string{
		"location/hq/floor/2/room/merkur/event/temp": "010203010000",
		"location/hq":                     "010000000000",
		"location/lab/floor/1":            "9f0100000000",
		"live/hq/floor/2/hall/west":       "a00204000000",
		"device/own":                      "fd0000000000",
		"location/hq/floor/2/room/22":     "010216000000",
		"010203010000":                    "010203010000",
		"location/hq/*/room/22":           "01ff16000000",
		"location/hq/floor/*/room/22":     "01ff16000000",
		"location/hq/floor/2/*/event/*":   "0102ffff0000",
		"location/hq/*/*/*/*/*":           "01ffffffffff",
		"01ff16000000":                    "01ff16000000",
		"location/hq/floor/*/hall/*":      "01ffff000000",
		"location/hq/floor/1/*/event/hum": "0101fffe0000",
	} {
		n, err := w.Parse(uri)
		if err != nil || n.String() != want {
			t.Errorf("%s is %s, %v; want %s", uri, n, err, want)
		}
	}
}

func TestURIsThatAreRefusedSayWhy(t *testing.T) {
	w := office(t)
	for uri, words := range map[string][]string{
		"":                        {"empty name", "12 hex digits"},
		"location":                {"level 0", `"location"`, "noun"},
		"location/hq/":            {"prefix"},
		"location/hq/floor":       {"level 1", `"floor"`},
		"location/hq/floor/3":     {"level 1", `"floor/3"`, "floor/1, floor/2"},
		"location/hq/stock/1":     {"level 1", `"stock/1"`, "floor/1, floor/2"},
		"*/floor/1":               {"level 0", "P-5"},
		"location/*":              {"level 0", "P-5"},
		"location/hq/stock/*":     {"level 1", `"stock"`},
		"location/hq/*/*/*/*/*/*": {"six levels"},
		"0102030100":              {"10 hex digits"},
		"c00000000000":            {"reserved", "P-23"},
		"010002000000":            {"00", "P-23"},
		"location/hq/floor/1/room/22/event/temp/more/x": {"level 4", "nothing"},
	} {
		_, err := w.Parse(uri)
		wantError(t, err, words...)
	}
}

func TestTablesWithMistakesAreRefused(t *testing.T) {
	six := []name.Level{
		{{Text: "a/b", Byte: 1}},
		{{Text: "a/b", Byte: 1}},
		{{Text: "a/b", Byte: 1}},
		{{Text: "a/b", Byte: 1}},
		{{Text: "a/b", Byte: 1}},
		{{Text: "a/b", Byte: 1}},
	}
	for what, c := range map[string]struct {
		levels []name.Level
		words  []string
	}{
		"two meanings":     {one(1, p("floor/1", 1), p("floor/2", 1)), []string{"line 2", "level 1", `"floor/2"`, "0x01", `"floor/1"`, "0x02 is free"}},
		"two bytes":        {one(1, p("floor/1", 1), p("floor=1", 2)), []string{"level 1", `"floor=1"`, "0x01 and 0x02"}},
		"00":               {one(1, p("floor/1", 0)), []string{"level 1", `"floor/1"`, "0x00 ends a name", "0x01 to 0xFE"}},
		"wildcard":         {one(1, p("floor/1", 0xFF)), []string{"level 1", `"floor/1"`, "wildcard"}},
		"FF at level 0":    {one(0, p("location/hq", 0xFF)), []string{"level 0", `"location/hq"`, "reserved", "0x9F"}},
		"reserved":         {one(0, p("location/hq", 0xB0)), []string{"level 0", "0xB0 is reserved"}},
		"not a byte":       {one(1, p("floor/1", 256)), []string{"level 1", "256 is not a byte"}},
		"negative":         {one(1, p("floor/1", -1)), []string{"-1 is not a byte"}},
		"no noun":          {one(1, p("floor", 1)), []string{"level 1", `"floor"`, `"verb/noun"`}},
		"empty noun":       {one(1, p("floor/", 1)), []string{`"verb/noun"`}},
		"three segments":   {one(1, p("floor/1/2", 1)), []string{`"verb/noun"`}},
		"a star":           {one(1, p("floor/*", 1)), []string{"*", "wildcard"}},
		"empty level":      {[]name.Level{{p("location/hq", 1)}, {}}, []string{"level 1", "no pairs"}},
		"a seventh level":  {append(six, name.Level{{Text: "a/b", Byte: 1, Line: 9}}), []string{"line 9", "level 6", "six levels"}},
		"an empty seventh": {append(six, name.Level{}), []string{"level 6", "six levels"}},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical, Levels: c.levels})
			wantError(t, err, c.words...)
		})
	}
}

func TestEveryMistakeOfATableIsReported(t *testing.T) {
	_, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical, Levels: []name.Level{
		{p("location/hq", 0), p("location/lab", 0xB0)}, {p("floor/1", 1), {Text: "floor/2", Byte: 1, Line: 2}},
	}})
	var wrong name.Mistakes
	if !errors.As(err, &wrong) || len(wrong) != 3 {
		t.Fatalf("got %v, want three mistakes", err)
	}
	if wrong[2].Level != 1 || wrong[2].Pair != "floor/2" || wrong[2].Line != 2 {
		t.Errorf("third mistake is %+v", wrong[2])
	}
}

func TestAFullLevelOffersNoFreeByte(t *testing.T) {
	var level name.Level
	for b := range 255 {
		level = append(level, name.Pair{Text: "n/" + string(rune('a'+b%26)) + string(rune('a'+b/26)), Byte: int64(min(b+1, 254))})
	}
	_, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical, Levels: []name.Level{{p("a/b", 1)}, level}})
	wantError(t, err, "level 1", "the level is full")
}

func TestLevelOfKeepsLinesAndOrder(t *testing.T) {
	lines := map[string]int{"a/x": 4, "a/y": 3}
	level := name.LevelOf(map[string]int64{"a/y": 7, "a/x": 7}, func(s string) int { return lines[s] })
	if len(level) != 2 || level[0] != (name.Pair{Text: "a/x", Byte: 7, Line: 4}) || level[1].Line != 3 {
		t.Errorf("got %+v", level)
	}
	if got := name.LevelOf(map[string]int64{"a/y": 7}, nil); got[0].Line != 0 {
		t.Errorf("got %+v", got)
	}
}

// What a table can name, it can name back.
func TestURIRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, err := name.NewNetwork(name.Settings{Naming: name.Hierarchical, Levels: anyLevels().Draw(t, "levels")})
		if err != nil {
			t.Fatal(err)
		}
		n := anyName().Draw(t, "name")
		uri, ok := w.URI(n)
		if !ok {
			return
		}
		back, err := w.Parse(uri)
		if err != nil || back != n {
			t.Fatalf("%s is %q and comes back as %s, %v", n, uri, back, err)
		}
	})
}

func TestURIOfWhatTheTableDoesNotName(t *testing.T) {
	w := office(t)
	for _, s := range []string{"020000000000", "010300000000", "000000000000", "c00000000000", "010002000000", name.Hello.String()} {
		if uri, ok := w.URI(hexName(t, s)); ok {
			t.Errorf("%s is %q", s, uri)
		}
	}
	for s, want := range map[string]string{
		"010203010000": "location/hq/floor/2/room/merkur/event/temp",
		"01ff00000000": "location/hq/floor/*",
		"0101ff000000": "location/hq/floor/1/*", // the level has rooms and halls, and the byte matches both
	} {
		if uri, ok := w.URI(hexName(t, s)); !ok || uri != want {
			t.Errorf("%s is %q, want %q", s, uri, want)
		}
	}
}

func FuzzParseHierarchical(f *testing.F) {
	w := office(f)
	for _, s := range []string{"location/hq/floor/2", "*", "location/hq/*/*", "010203010000", "a//b", "/", "location/hq/floor/*/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := w.Parse(text)
		if err != nil {
			return
		}
		if !w.ValidPattern(n) {
			t.Fatalf("%q gives %s, which P-23 forbids", text, n)
		}
		if uri, ok := w.URI(n); ok {
			if back, err := w.Parse(uri); err != nil || back != n {
				t.Fatalf("%q gives %s, written %q, read as %s, %v", text, n, uri, back, err)
			}
		}
	})
}

func FuzzTable(f *testing.F) {
	f.Add("location/hq", int64(1), "floor=2", int64(2), byte(0xFF))
	f.Add("a/b", int64(0xFF), "a=b", int64(-1), byte(0x80))
	f.Fuzz(func(t *testing.T, a string, x int64, b string, y int64, wildcard byte) {
		w, err := name.NewNetwork(name.Settings{
			Naming: name.Hierarchical, Wildcard: wildcard,
			Levels: []name.Level{{p(a, x)}, {p(a, x), p(b, y)}},
		})
		if err != nil {
			return
		}
		n := name.Name{byte(x), byte(y)}
		uri, ok := w.URI(n)
		if !ok || w.IsWildcard(n) {
			t.Fatalf("%s of an accepted table has no URI", n)
		}
		if back, err := w.Parse(uri); err != nil || back != n {
			t.Fatalf("%s is %q and comes back as %s, %v", n, uri, back, err)
		}
	})
}

// anyLevels draws valid tables of one to six levels with one or two verbs each.
func anyLevels() *rapid.Generator[[]name.Level] {
	return rapid.Custom(func(t *rapid.T) []name.Level {
		levels := make([]name.Level, rapid.IntRange(1, name.Levels).Draw(t, "depth"))
		for i := range levels {
			verbs := rapid.IntRange(1, 2).Draw(t, "verbs")
			for b := 1; b < 0xA0; b += rapid.IntRange(1, 80).Draw(t, "step") {
				levels[i] = append(levels[i], p([]string{"v/", "w/"}[b%verbs]+string(rune('0'+b)), int64(b)))
			}
		}
		return levels
	})
}

// p is a pair of no line.
func p(text string, b int64) name.Pair { return name.Pair{Text: text, Byte: b} }

// one is a table in which level 0 or 1 has the pairs given, on lines 1, 2, …
func one(level int, pairs ...name.Pair) []name.Level {
	for i := range pairs {
		pairs[i].Line = i + 1
	}
	if level == 0 {
		return []name.Level{pairs}
	}
	return []name.Level{{p("location/hq", 1)}, pairs}
}
