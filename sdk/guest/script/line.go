package script

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Line is a word, words after it, and fields. The methods that read a field note the first mistake, which done gives, so that a
// form reads one after the other.
type Line struct {
	At    int // in the file, from 1
	Verb  string
	Words []string // what has no =

	fields []field
	known  []string // keys that were asked for
	wrong  error
}

type field struct {
	key, value string
	quoted     bool
}

// lineError is a mistake of a line.
type lineError struct {
	at  int
	why string
}

func (e *lineError) Error() string { return e.why }

// readLine takes a line apart.
func readLine(at int, raw string) (*Line, error) {
	l := &Line{At: at}
	for first := true; ; first = false {
		raw = strings.TrimLeft(raw, " \t")
		if raw == "" || raw[0] == '#' {
			break
		}
		f, rest, err := readField(raw)
		if err != nil {
			return nil, err
		}
		raw = rest
		switch {
		case first && (f.key != "" || f.quoted):
			return nil, errors.New("a line begins with a word that says what it is")
		case first:
			l.Verb = f.value
		case f.key == "":
			l.Words = append(l.Words, f.value)
		case slices.ContainsFunc(l.fields, func(have field) bool { return have.key == f.key }):
			return nil, fmt.Errorf("%s stands there twice", f.key)
		default:
			l.fields = append(l.fields, f)
		}
	}
	return l, nil
}

// readField takes key=value, "quoted" or a word off a text.
func readField(raw string) (f field, rest string, err error) {
	end := strings.IndexAny(raw, " \t=\"")
	if end > 0 && raw[end] == '=' {
		f.key, raw = raw[:end], raw[end+1:]
	}
	if strings.HasPrefix(raw, `"`) {
		quoted, err := strconv.QuotedPrefix(raw)
		if err != nil {
			return f, "", fmt.Errorf("%s: a quote that does not end, or holds what Go would not take", raw)
		}
		f.value, _ = strconv.Unquote(quoted)
		f.quoted, raw = true, raw[len(quoted):]
		if raw != "" && raw[0] != ' ' && raw[0] != '\t' {
			return f, "", fmt.Errorf("%s: a blank is missing after the quote", quoted)
		}
		return f, raw, nil
	}
	if end = strings.IndexAny(raw, " \t"); end < 0 {
		end = len(raw)
	}
	f.value = raw[:end]
	switch {
	case strings.ContainsAny(f.value, `"=`):
		return f, "", fmt.Errorf("%s: want key=value; quote the value if it has = or blanks in it", raw[:end])
	case f.key != "" && f.value == "":
		return f, "", fmt.Errorf("%s= has no value", f.key)
	}
	return f, raw[end:], nil
}

func (l *Line) fail(format string, a ...any) {
	if l.wrong == nil {
		l.wrong = &lineError{l.At, fmt.Sprintf(format, a...)}
	}
}

// Has tells whether a field is there.
func (l *Line) Has(key string) bool { return l.find(key) != nil }

func (l *Line) find(key string) *field {
	if !slices.Contains(l.known, key) {
		l.known = append(l.known, key)
	}
	for i := range l.fields {
		if l.fields[i].key == key {
			return &l.fields[i]
		}
	}
	return nil
}

// Text gives a field as it stands.
func (l *Line) Text(key, otherwise string) string {
	if f := l.find(key); f != nil {
		return f.value
	}
	return otherwise
}

// Uint gives a whole number of at most limit; 0x… is hexadecimal.
func (l *Line) Uint(key string, otherwise, limit uint64) uint64 {
	f := l.find(key)
	if f == nil {
		return otherwise
	}
	n, err := strconv.ParseUint(f.value, 0, 64)
	if err != nil || n > limit {
		l.fail("%s=%s: want a whole number of at most %d", key, f.value, limit)
	}
	return n
}

// Float gives a number between two others.
func (l *Line) Float(key string, otherwise, low, high float64) float64 {
	f := l.find(key)
	if f == nil {
		return otherwise
	}
	n, err := strconv.ParseFloat(f.value, 64)
	if err != nil || !(n >= low && n <= high) {
		l.fail("%s=%s: want a number between %v and %v", key, f.value, low, high)
	}
	return n
}

// Duration gives a time like 20ms or 1.5s, not below 0.
func (l *Line) Duration(key string, otherwise time.Duration) time.Duration {
	f := l.find(key)
	if f == nil {
		return otherwise
	}
	d, err := time.ParseDuration(f.value)
	if err != nil || d < 0 {
		l.fail("%s=%s: want a time like 20ms, 1.5s or 10m", key, f.value)
	}
	return d
}

// Time moves a clock to the field at: an absolute time like 2s, or one after now like +20ms. Time does not go back.
func (l *Line) Time(now time.Duration) time.Duration {
	text := l.Text("at", "")
	if text == "" {
		return now
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d < 0:
		l.fail("at=%s: want a time since the node's start like 2s, or a time after the last event like +20ms", text)
	case strings.HasPrefix(text, "+"):
		d += now
	}
	if d < now {
		l.fail("at=%s: it is %s already", text, now)
		return now
	}
	return d
}

// Hex gives bytes. size is how many there must be; -1: any number.
func (l *Line) Hex(key string, size int) []byte {
	f := l.find(key)
	if f == nil {
		return nil
	}
	b, err := hex.DecodeString(f.value)
	switch {
	case err != nil:
		l.fail("%s=%s: want hex digits, two for each byte", key, f.value)
	case size >= 0 && len(b) != size:
		l.fail("%s=%s: want %d bytes in hex, this has %d", key, f.value, size, len(b))
	}
	return b
}

// Bits gives the sum of what names stand for: state=tried,returned.
func (l *Line) Bits(key string, names []Word) (sum uint64) {
	f := l.find(key)
	if f == nil {
		return 0
	}
	for _, name := range strings.Split(f.value, ",") {
		bit, ok := code(names, name)
		if !ok {
			l.fail("%s=%s: %q is none of %s", key, f.value, name, join(names))
		}
		sum |= bit
	}
	return sum
}

// Code gives what a name stands for.
func (l *Line) Code(key string, otherwise uint64, names []Word) uint64 {
	f := l.find(key)
	if f == nil {
		return otherwise
	}
	n, ok := code(names, f.value)
	if !ok {
		l.fail("%s=%s: want one of %s", key, f.value, join(names))
	}
	return n
}

// Word is a name for a number of the contract.
type Word struct {
	Name string
	Code uint64
}

func code(names []Word, name string) (uint64, bool) {
	for _, w := range names {
		if w.Name == name {
			return w.Code, true
		}
	}
	return 0, false
}

// nameOf gives the word for a number, or the number.
func nameOf(names []Word, n uint64) string {
	for _, w := range names {
		if w.Code == n {
			return w.Name
		}
	}
	return strconv.FormatUint(n, 10)
}

func join(names []Word) string {
	list := make([]string, len(names))
	for i, w := range names {
		list[i] = w.Name
	}
	return strings.Join(list, ", ")
}

// done gives the first mistake of a line whose fields were all asked for, also one that nobody has asked for.
func (l *Line) done() error {
	if len(l.Words) > 0 {
		l.fail("%s: want key=value", l.Words[0])
	}
	for _, f := range l.fields {
		if !slices.Contains(l.known, f.key) {
			l.fail("%s has no field %s; it has %s", l.Verb, f.key, strings.Join(l.known, ", "))
		}
	}
	return l.wrong
}

// Setting is one key of a plugin's configuration as it stands in a script.
type Setting struct {
	Key, Text string
	Quoted    bool // it is a text, whatever it looks like
}

// Value guesses the type of a setting from its text: true and false, a whole number, a number, a duration like 10s, or else a text.
func (s *Setting) Value() abi.Value {
	v := abi.Value{Name: s.Key, Type: abi.ListText, Text: s.Text}
	if s.Quoted {
		return v
	}
	if s.Text == "true" || s.Text == "false" {
		return abi.Value{Name: s.Key, Type: abi.ListBool, Bool: s.Text == "true"}
	}
	if n, err := strconv.ParseInt(s.Text, 10, 64); err == nil {
		return abi.Value{Name: s.Key, Type: abi.ListInt, Int: n}
	}
	if n, err := strconv.ParseFloat(s.Text, 64); err == nil {
		return abi.Value{Name: s.Key, Type: abi.ListFloat, Num: n}
	}
	if d, err := time.ParseDuration(s.Text); err == nil {
		return abi.Value{Name: s.Key, Type: abi.ListInt, Int: int64(d)}
	}
	return v
}
