package name

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Levels is how many levels a hierarchical name can have: one a byte.
const Levels = Size

// Pair is one line of the deployment's table: what a byte of a level stands for.
type Pair struct {
	Text string // "verb/noun", or "verb=noun"
	Byte int64  // as it was written; a value that is no byte is reported, not cut
	Line int    // in the file that it came from, for [Mistake]; 0 if unknown
}

// Level is one level of the deployment's table, in any order.
type Level []Pair

// LevelOf makes a Level of what a decoder gives for one [[levels]] of the file. line tells where a pair stands; it may
// be nil. The order is that of the bytes, so that the same mistakes come in the same order.
func LevelOf(pairs map[string]int64, line func(pair string) int) Level {
	level := make(Level, 0, len(pairs))
	for text, b := range pairs {
		p := Pair{Text: text, Byte: b}
		if line != nil {
			p.Line = line(text)
		}
		level = append(level, p)
	}
	slices.SortFunc(level, func(a, b Pair) int {
		return cmp.Or(cmp.Compare(a.Byte, b.Byte), cmp.Compare(a.Text, b.Text))
	})
	return level
}

// Mistake is one thing that is wrong with a table: where it stands, and what would be right.
type Mistake struct {
	Level int    // 0 … 5; 6 and above if there are too many
	Pair  string // empty if the whole level is meant
	Line  int    // 0 if unknown
	What  string
}

// Error is one sentence, with the line in front if it is known.
func (m Mistake) Error() string {
	var b strings.Builder
	if m.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", m.Line)
	}
	fmt.Fprintf(&b, "names, level %d", m.Level)
	if m.Pair != "" {
		fmt.Fprintf(&b, ", %q", m.Pair)
	}
	return b.String() + ": " + m.What
}

// Mistakes is everything that is wrong with a table. As an error it is one line for each.
type Mistakes []Mistake

// Error joins the sentences with line feeds.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// table is a checked deployment's table.
type table struct {
	levels [Levels]level
}

// level looks a level up in both directions.
type level struct {
	bytes map[string]byte   // "verb/noun" to byte
	pairs [256]string       // byte to "verb/noun"; empty: no meaning
	verbs map[string][]byte // the bytes of each verb, so that an unknown noun can be answered with the known ones
}

// newTable checks levels and builds the look-ups. The error is of type Mistakes and holds every mistake.
func newTable(levels []Level, wildcard byte) (*table, error) {
	t := &table{}
	var wrong Mistakes
	for i, l := range levels {
		if i >= Levels {
			wrong = append(wrong, Mistake{Level: i, Line: firstLine(l), What: "a name has six levels, 0 to 5: remove this one"})
			continue
		}
		if len(l) == 0 {
			wrong = append(wrong, Mistake{Level: i, What: "has no pairs: add one, such as \"verb/noun\" = 0x01, or remove the level"})
		}
		wrong = append(wrong, t.levels[i].fill(i, l, wildcard)...)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return t, nil
}

func firstLine(l Level) int {
	if len(l) == 0 {
		return 0
	}
	return l[0].Line
}

// fill puts the pairs of one level in and returns what is wrong with them.
func (l *level) fill(index int, pairs Level, wildcard byte) (wrong Mistakes) {
	l.bytes = make(map[string]byte, len(pairs))
	l.verbs = make(map[string][]byte)
	for _, p := range pairs {
		if what := l.add(index, p, wildcard); what != "" {
			wrong = append(wrong, Mistake{Level: index, Pair: p.Text, Line: p.Line, What: what})
		}
	}
	return wrong
}

// add puts one pair in, or says what is wrong with it.
func (l *level) add(index int, p Pair, wildcard byte) (what string) {
	verb, noun, what := splitPair(p.Text)
	if what == "" {
		what = wrongByte(index, p.Byte, wildcard)
	}
	if what != "" {
		return what
	}
	pair, b := verb+"/"+noun, byte(p.Byte)
	if first, dup := l.bytes[pair]; dup {
		return fmt.Sprintf("has two bytes, 0x%02X and 0x%02X: keep one", first, b)
	}
	if other := l.pairs[b]; other != "" {
		return fmt.Sprintf("byte 0x%02X stands for %q already: choose another, %s", b, other, l.free(index, wildcard))
	}
	l.bytes[pair], l.pairs[b] = b, pair
	l.verbs[verb] = append(l.verbs[verb], b)
	return ""
}

// free tells the lowest byte of the level that has no meaning yet.
func (l *level) free(index int, wildcard byte) string {
	for b := range l.pairs {
		if l.pairs[b] == "" && wrongByte(index, int64(b), wildcard) == "" {
			return fmt.Sprintf("0x%02X is free", b)
		}
	}
	return "but the level is full: move some pairs to another one"
}

// splitPair reads "verb/noun" or "verb=noun".
func splitPair(text string) (verb, noun, what string) {
	verb, noun, ok := strings.Cut(text, "/")
	if !ok {
		verb, noun, ok = strings.Cut(text, "=")
	}
	switch {
	case !ok || verb == "" || noun == "" || strings.Contains(noun, "/"):
		return "", "", `is not one pair: write it as "verb/noun"`
	case strings.Contains(text, "*"):
		return "", "", "holds a *, which stands for a wildcard in URIs (P-5): choose another text"
	}
	return verb, noun, ""
}

// wrongByte says why b cannot stand for anything at a level: 00 ends a name, the wildcard matches, and byte 0 has classes.
func wrongByte(index int, b int64, wildcard byte) string {
	switch {
	case b < 0 || b > 0xFF:
		return fmt.Sprintf("%d is not a byte: choose 0x01 to 0xFE", b)
	case b == 0:
		return "byte 0x00 ends a name: choose 0x01 to 0xFE"
	case index == 0 && classOf(byte(b)) == Reserved:
		return fmt.Sprintf("byte 0x%02X is reserved at level 0: choose 0x01 to 0x9F, 0xA0 to 0xAF (never cached), 0xFD or 0xFE (management)", b)
	case index > 0 && byte(b) == wildcard:
		return fmt.Sprintf("byte 0x%02X is the wildcard (P-5): choose another", b)
	}
	return ""
}

// parse turns a URI into a name. A verb where `*` stands is a wildcard level by itself; `verb/*` is one too, since
// the wire has no narrower pattern: it matches the level's other verbs as well.
func (t *table) parse(uri string, wildcard byte) (n Name, depth int, err error) {
	rest, more := uri, uri != ""
	for ; more; depth++ {
		var verb, noun string
		verb, rest, more = strings.Cut(rest, "/")
		if verb != "*" {
			if !more {
				return n, depth, fmt.Errorf("URI %q: level %d has the verb %q and no noun: add one, or * for any", uri, depth, verb)
			}
			noun, rest, more = strings.Cut(rest, "/")
		}
		if depth == Levels {
			return n, depth, fmt.Errorf("URI %q has more than six levels: a name has one byte for each of 0 to 5", uri)
		}
		if n[depth], err = t.levels[depth].find(depth, verb, noun, wildcard); err != nil {
			return n, depth, fmt.Errorf("URI %q: %w", uri, err)
		}
	}
	return n, depth, nil
}

// find gives the byte of one pair of a URI.
func (l *level) find(index int, verb, noun string, wildcard byte) (byte, error) {
	if verb == "*" || noun == "*" {
		if index == 0 {
			return 0, fmt.Errorf("level 0 cannot be a wildcard (P-5): * stands at levels 1 to 5")
		}
		if verb != "*" && l.verbs[verb] == nil {
			return 0, fmt.Errorf("level %d has no verb %q in the table: it has %s", index, verb, l.some(""))
		}
		return wildcard, nil
	}
	b, ok := l.bytes[verb+"/"+noun]
	if !ok {
		return 0, fmt.Errorf("level %d has no byte for %q in the table: it has %s", index, verb+"/"+noun, l.some(verb))
	}
	return b, nil
}

// some lists up to five pairs of the level, those of verb if there are any, for a sentence.
func (l *level) some(verb string) string {
	const most = 5
	var list []string
	for _, pair := range l.pairs {
		v, _, _ := strings.Cut(pair, "/")
		if pair != "" && (v == verb || l.verbs[verb] == nil) {
			list = append(list, pair)
		}
	}
	switch {
	case len(list) == 0:
		return "nothing"
	case len(list) > most:
		return strings.Join(list[:most], ", ") + ", …"
	}
	return strings.Join(list, ", ")
}

// uri is the inverse of parse; ok is false where the table has no meaning for a byte. A wildcard level is `verb/*`
// if the level has one verb, else `*`.
func (t *table) uri(n Name, wildcard byte) (uri string, ok bool) {
	var parts []string
	for i, b := range n {
		if b == 0 {
			break
		}
		l := &t.levels[i]
		part := l.pairs[b]
		if i > 0 && b == wildcard {
			part = l.wildcardText()
		}
		if part == "" {
			return "", false
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "/"), len(parts) > 0
}

func (l *level) wildcardText() string {
	if len(l.verbs) == 1 {
		for verb := range l.verbs {
			return verb + "/*"
		}
	}
	return "*"
}
