package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A text in which a scan by lines would go wrong.
const awkward = `# a comment with [table] and key = 1
top = 1
a.b."c.d" = 2
a . e = 3
text = """
[not.a.table]
not = "a key" \"""
still = '''
"""
raw = '''
[[nor.this]]
''''
list = [ # comment ]
  "one", 'two # no comment',
  [1, 2],
  { x = 1, y.z = "}" },
]
inline = { k = [ { deep = true } ], "q\u0041" = 1 }
[t]
key = "#"
[t.sub]
key = 1
[[rows]]
n = 1
[[rows]]
n = 2
[rows.inner]
m = 1
[[rows.cells]]
v = 1
[[rows.cells]]
v = 2
["x y".'z']
date = 1979-05-27T07:32:00Z
`

func TestPositions(t *testing.T) {
	lines := positions(awkward)
	root := path("")
	for _, c := range []struct {
		at   path
		line int
	}{
		{root.key("top"), 2},
		{root.key("a").key("b").key("c.d"), 3},
		{root.key("a").key("e"), 4},
		{root.key("text"), 5},
		{root.key("raw"), 10},
		{root.key("list").index(1), 14},
		{root.key("list").index(2), 15},
		{root.key("list").index(3).key("y").key("z"), 16},
		{root.key("inline").key("k").index(0).key("deep"), 18},
		{root.key("inline").key("qA"), 18},
		{root.key("t"), 19},
		{root.key("t").key("sub").key("key"), 22},
		{root.key("rows").index(0).key("n"), 24},
		{root.key("rows").index(1), 25},
		{root.key("rows").index(1).key("inner").key("m"), 28},
		{root.key("rows").index(1).key("cells").index(1).key("v"), 32},
		{root.key("x y").key("z").key("date"), 34},
	} {
		if got := lines[c.at]; got != c.line {
			t.Errorf("%s is at line %d, want %d", c.at.dotted(""), got, c.line)
		}
	}
	if lines[root.key("not")] != 0 || lines[root.key("still")] != 0 {
		t.Error("finds keys in texts")
	}
	checkPositions(t, awkward)
}

// checkPositions demands a line for everything that the library finds in a text, and that a plain key stands on its line.
func checkPositions(t *testing.T, text string) {
	t.Helper()
	m, err := decode(text)
	if err != nil {
		return
	}
	found := positions(text)
	lines := strings.Split(text, "\n")
	walk(m, "", func(at path, key string) {
		n := found[at]
		switch {
		case n < 1 || n > len(lines):
			t.Errorf("%q is at line %d of %d in\n%s", at.dotted(""), n, len(lines), text)
		case key != "" && labels.MatchString(key) && !strings.Contains(text, `\`) && !strings.Contains(lines[n-1], key):
			t.Errorf("%q is not on line %d of\n%s", key, n, text)
		}
	})
}

// walk calls fn with every place of a decoded text; key is empty for an element.
func walk(v any, at path, fn func(at path, key string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			fn(at.key(k), k)
			walk(e, at.key(k), fn)
		}
	case []map[string]any:
		for i, e := range v {
			fn(at.index(i), "")
			walk(e, at.index(i), fn)
		}
	case []any:
		for i, e := range v {
			fn(at.index(i), "")
			walk(e, at.index(i), fn)
		}
	}
}

// seeds are all configurations of this package.
func seeds(t testing.TB) (list []string) {
	t.Helper()
	list = []string{awkward, head, "", "[", `k = "`, "k = '''", "\xef\xbb\xbfk=1", "\"\" = 1\n[\"\"]", "a = {b = {c = 1}}\n[a.b]", "[[a]]\n[a]", "a=[{b=1},{b=2}]"}
	for _, pattern := range []string{"testdata/broken/*.txt", "testdata/full/*.toml", "../../examples/*.toml", "../../examples/*/*.toml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			_, text, _ := strings.Cut(string(b), "-- node.toml --\n")
			list = append(list, string(b), text)
		}
	}
	return list
}

func TestPositionsOfAllConfigurations(t *testing.T) {
	for _, text := range seeds(t) {
		checkPositions(t, text)
	}
}

func FuzzPositions(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkPositions(t, text) })
}

// Load never panics, gives a Config or mistakes and never both, and each mistake stands in the text and shows no key.
func FuzzLoad(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	dir := folder(f)
	f.Fuzz(func(t *testing.T, text string) {
		l := newLoader(filepath.Join(dir, "node.toml"))
		l.load(text)
		c, err := l.result()
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err == nil {
			use(t, c)
			return
		}
		for _, m := range err.(Mistakes) {
			if m.What == "" || m.File == l.cfg.File && (m.Line < 1 || m.Line > strings.Count(text, "\n")+1) || secretDigits.MatchString(m.What) {
				t.Errorf("%v", m)
			}
		}
	})
}

// use asks an accepted configuration for everything that a host does.
func use(t *testing.T, c *Config) {
	t.Helper()
	if _, err := c.Keyring(); err != nil {
		t.Errorf("accepted, but %v", err)
	}
	_ = c.StoreConfig()
	_ = c.Naming()
	for i := range c.Faces {
		_ = c.FaceConfig(&c.Faces[i])
	}
	if list, err := Diff(c, c); len(list) > 0 || err != nil {
		t.Errorf("differs from itself: %v", list)
	}
	for _, s := range c.Streams {
		if strings.Contains(fmt.Sprintf("%+v %#v", s, s), fmt.Sprintf("%x", s.Key.bytes)) && s.Key.Len() > 0 {
			t.Error("shows a key")
		}
	}
}
