package config

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// table is one table of a file while it is read. Each setting is asked for by name, once; [table.end] then tells which keys nobody
// asked for. A setting that is not there, or is wrong, is its default, so that reading goes on and finds all mistakes.
type table struct {
	file  *file
	at    path
	title string // as people write it: "[store]", "[[faces]]"
	m     map[string]any
	asked []string
}

// line is where a place is: its own line, or that of what it is in.
func (t *table) line(p path) int {
	for ; p != ""; p = p.parent() {
		if n := t.file.lines[p]; n > 0 {
			return n
		}
	}
	return 1
}

func (t *table) position(key string) Position { return t.place(t.at.key(key)) }
func (t *table) here() Position               { return t.place(t.at) }
func (t *table) place(p path) Position        { return Position{File: t.file.path, Line: t.line(p)} }

// wrong notes a mistake about a setting.
func (t *table) wrong(key, format string, args ...any) {
	t.wrongAt(t.at.key(key), format, args...)
}

func (t *table) wrongAt(p path, format string, args ...any) {
	t.file.loader.wrong(t.place(p), format, args...)
}

// wrongUnder notes a mistake about a setting, which may be absent together with its table.
func (t *table) wrongUnder(key, format string, args ...any) {
	if t != nil {
		t.wrong(key, format, args...)
	}
}

// take gives a setting as the library read it.
func (t *table) take(key string) (v any, ok bool) {
	if t == nil {
		return nil, false
	}
	if !slices.Contains(t.asked, key) {
		t.asked = append(t.asked, key)
	}
	v, ok = t.m[key]
	return v, ok
}

func (t *table) has(key string) bool {
	_, ok := t.take(key)
	return ok
}

// end notes every key that was not asked for.
func (t *table) end() {
	if t == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(t.m)) {
		if !slices.Contains(t.asked, key) {
			t.wrong(key, "%s has no setting %q: %s", t.title, key, meant(key, t.asked))
		}
	}
}

// kindOf says what kind of value something is, without showing it: it might be a key.
func kindOf(v any) string {
	switch v := v.(type) {
	case string:
		return "a text"
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return "a date"
	case []any:
		return "a list"
	case []map[string]any:
		return "an array of tables"
	}
	return "a table"
}

// typed gives a setting if it is of the type T; want says what would be right.
func typed[T any](t *table, key, want string) (v T, ok bool) {
	raw, ok := t.take(key)
	if !ok {
		return v, false
	}
	if v, ok = raw.(T); !ok {
		t.wrong(key, "%s is %s: write %s", key, kindOf(raw), want)
	}
	return v, ok
}

// text gives a setting that is a text.
func (t *table) text(key, standard string) string {
	if v, ok := typed[string](t, key, `a text in quotes`); ok {
		return v
	}
	return standard
}

// flag gives a setting that is true or false.
func (t *table) flag(key string, standard bool) bool {
	if v, ok := typed[bool](t, key, "true or false, without quotes"); ok {
		return v
	}
	return standard
}

// whole gives a setting that is a whole number from low to high.
func (t *table) whole(key string, low, high, standard int64) int64 {
	want := fmt.Sprintf("a whole number from %d to %d", low, high)
	v, ok := typed[int64](t, key, want)
	if ok && (v < low || v > high) {
		t.wrong(key, "%s is %d: write %s", key, v, want)
		ok = false
	}
	if !ok {
		return standard
	}
	return v
}

// id gives a number of 32 bits, from low; people write these in hex.
func (t *table) id(key string, low uint32, standard uint32) uint32 {
	want := fmt.Sprintf("a whole number from %#08x to 0xffffffff, such as 0x00010010", low)
	v, ok := typed[int64](t, key, want)
	if ok && (v < int64(low) || v > math.MaxUint32) {
		t.wrong(key, "%s is %#x: write %s", key, v, want)
		ok = false
	}
	if !ok {
		return standard
	}
	return uint32(v)
}

// share gives a setting that is a part of a whole: above 0 and at most 1.
func (t *table) share(key string, standard float64) float64 {
	raw, ok := t.take(key)
	if !ok {
		return standard
	}
	v, isFloat := raw.(float64)
	if n, isWhole := raw.(int64); isWhole {
		v, isFloat = float64(n), true
	}
	if !isFloat || !(v > 0 && v <= 1) {
		t.wrong(key, "%s is %s: write a part above 0 and up to 1, such as 0.125", key, kindOf(raw))
		return standard
	}
	return v
}

// choice gives a text that is one of a list.
func (t *table) choice(key, standard string, list ...string) string {
	v, ok := typed[string](t, key, "one of "+enumerate(list))
	switch {
	case !ok:
		return standard
	case !slices.Contains(list, v):
		t.wrong(key, "%s has no value %q: %s", key, v, meant(v, list))
		return standard
	}
	return v
}

// duration gives a time from low to high.
func (t *table) duration(key string, low, high, standard time.Duration) time.Duration {
	text, ok := typed[string](t, key, `a duration in quotes, such as "10m" or "24h"`)
	if !ok {
		return standard
	}
	d, err := parseDuration(text)
	if err == nil && (d < low || d > high) {
		err = fmt.Errorf(`%q is out of range: write "%s" to "%s"`, text, durationText(low), durationText(high))
	}
	if err != nil {
		t.wrong(key, "%s: %v", key, err)
		return standard
	}
	return d
}

// size gives a number of bytes of at least low.
func (t *table) size(key string, low, standard int64) int64 {
	raw, ok := t.take(key)
	if !ok {
		return standard
	}
	if n, whole := raw.(int64); whole {
		raw = strconv.FormatInt(n, 10)
	}
	text, ok := raw.(string)
	if !ok {
		t.wrong(key, `%s is %s: write a size in quotes, such as "64MiB" or "2GiB"`, key, kindOf(raw))
		return standard
	}
	n, err := parseSize(text)
	if err == nil && n < low {
		err = fmt.Errorf(`%q is too little: write at least "%s"`, text, sizeText(low))
	}
	if err != nil {
		t.wrong(key, "%s: %v", key, err)
		return standard
	}
	return n
}

// rate gives a number of events in the time per.
func (t *table) rate(key string, per time.Duration, standard int) int {
	example := "600/min"
	if per == time.Second {
		example = "100/s"
	}
	text, ok := typed[string](t, key, `a rate in quotes, such as "`+example+`"`)
	if !ok {
		return standard
	}
	n, err := parseRate(text, per)
	if err != nil {
		t.wrong(key, "%s: %v", key, err)
		return standard
	}
	return n
}

// texts gives a list of texts and whether it is there. What is no text in it is left out.
func (t *table) texts(key string) (list []located, ok bool) {
	raw, ok := typed[[]any](t, key, `a list of texts, such as ["a", "b"]`)
	for i, v := range raw {
		p := t.at.key(key).index(i)
		if s, isText := v.(string); isText {
			list = append(list, located{s, p})
		} else {
			t.wrongAt(p, "%s holds %s: write texts in quotes", key, kindOf(v))
		}
	}
	return list, ok
}

// located is a text and where it stands.
type located struct {
	text string
	at   path
}

// table gives a table in this one; nil if it is not there.
func (t *table) table(key string) *table {
	m, ok := typed[map[string]any](t, key, "a table: [name] on a line of its own")
	if !ok {
		return nil
	}
	return &table{file: t.file, at: t.at.key(key), title: t.titleOf(key, "[", "]"), m: m}
}

// tables gives an array of tables, in either form of TOML.
func (t *table) tables(key string) (list []*table) {
	raw, _ := t.take(key)
	title := t.titleOf(key, "[[", "]]")
	maps, ok := raw.([]map[string]any)
	if values, inline := raw.([]any); inline {
		maps, ok = mapsOf(values)
	}
	if !ok && raw != nil {
		t.wrong(key, "%s is %s: write each entry as a table under %s", key, kindOf(raw), title)
	}
	for i, m := range maps {
		list = append(list, &table{file: t.file, at: t.at.key(key).index(i), title: title, m: m})
	}
	return list
}

func mapsOf(values []any) (list []map[string]any, ok bool) {
	for _, v := range values {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		list = append(list, m)
	}
	return list, true
}

// titleOf is the name of a table in this one.
func (t *table) titleOf(key, open, closing string) string {
	if t.at == "" {
		return open + key + closing
	}
	return open + strings.Trim(t.title, "[]") + "." + key + closing
}

// prefix reads a prefix in the node's own network.
func (t *table) prefix(key string) (name.Prefix, bool) {
	text, ok := typed[string](t, key, `a text: two hex digits a byte, a URI prefix ending in /, or "" for everything`)
	if !ok {
		if !t.has(key) {
			t.wrongAt(t.at, `%s has no %s: add one, "" for everything`, t.title, key)
		}
		return name.Prefix{}, false
	}
	return t.parsePrefix(key, located{text, t.at.key(key)})
}

// prefixes reads a list of prefixes and tells whether it is there.
func (t *table) prefixes(key string) (list []name.Prefix, given bool) {
	texts, given := t.texts(key)
	for _, text := range texts {
		if p, ok := t.parsePrefix(key, text); ok {
			list = append(list, p)
		}
	}
	return list, given
}

// parsePrefix gives false also if the network itself has mistakes, which are noted elsewhere.
func (t *table) parsePrefix(key string, text located) (name.Prefix, bool) {
	own := t.file.loader.own
	if own == nil {
		return name.Prefix{}, false
	}
	p, err := own.ParsePrefix(text.text)
	if err != nil {
		t.wrongAt(text.at, "%s%v", lead(key), err)
	}
	return p, err == nil
}

// lead is what stands in front of a sentence about a value: the setting, unless the sentence begins with the same word.
func lead(key string) string {
	if key == "prefix" {
		return ""
	}
	return key + ": "
}

// label reads the name of an entry: a word that stands in commands and metrics. Empty if it is wrong.
func (t *table) label(key string) string {
	text, ok := typed[string](t, key, "a word in quotes")
	switch {
	case !ok && !t.has(key):
		t.wrongAt(t.at, "%s has no %s: add one", t.title, key)
	case ok && !labels.MatchString(text):
		t.wrong(key, "%s %q: write 1 to %d letters, digits, dots, - and _", key, text, maxNameLength)
		return ""
	}
	return text
}

var labels = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9._-]{1,%d}$`, maxNameLength))
