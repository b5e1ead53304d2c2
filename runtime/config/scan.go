package config

import (
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// path names a place in a file: keys and indexes from the root. It is a text so that it serves as the key of a map; what is in
// front of a part tells a key from an index, and neither can be in a key of TOML unescaped.
type path string

func (p path) key(k string) path { return p + "\x00" + path(k) }
func (p path) index(i int) path  { return p + "\x01" + path(strconv.Itoa(i)) }

// parent is the place that p is in; the root's is the root.
func (p path) parent() path {
	return p[:max(0, strings.LastIndexAny(string(p), "\x00\x01"))]
}

// dotted is the path from base on as people write it: a.b[0].c.
func (p path) dotted(base path) string {
	var b strings.Builder
	for rest := string(p[len(base):]); rest != ""; {
		end := strings.IndexAny(rest[1:], "\x00\x01") + 1
		if end == 0 {
			end = len(rest)
		}
		switch part := rest[1:end]; {
		case rest[0] == '\x01':
			b.WriteString("[" + part + "]")
		case b.Len() > 0:
			b.WriteString("." + part)
		default:
			b.WriteString(part)
		}
		rest = rest[end:]
	}
	return b.String()
}

// scanner finds the line of each key and each element of a list. The TOML library gives positions for its own errors alone, so
// the text is gone through once more; it has been accepted by the library before, so this one does not look for mistakes. On
// a text that has some it ends all the same.
type scanner struct {
	text   string
	at     int
	line   int
	lines  map[path]int
	arrays map[path]int // elements of each array of tables so far
}

// positions gives the line of every key of a valid TOML text.
func positions(text string) map[path]int {
	s := &scanner{text: text, line: 1, lines: map[path]int{}, arrays: map[path]int{}}
	s.text = strings.TrimPrefix(s.text, "\xef\xbb\xbf")
	var table path
	for s.blank(); s.at < len(s.text); s.blank() {
		before := s.at
		if s.peek("[") {
			table = s.header()
		} else {
			s.pair(table)
		}
		if s.at == before {
			break
		}
	}
	return s.lines
}

func (s *scanner) peek(t string) bool { return strings.HasPrefix(s.text[s.at:], t) }

// skip takes t if it is next.
func (s *scanner) skip(t string) bool {
	ok := s.peek(t)
	if ok {
		s.advance(len(t))
	}
	return ok
}

// advance moves on by n bytes and counts line feeds.
func (s *scanner) advance(n int) {
	end := min(s.at+n, len(s.text))
	s.line += strings.Count(s.text[s.at:end], "\n")
	s.at = end
}

// until moves to the first of the bytes in stop, or to the end.
func (s *scanner) until(stop string) {
	n := strings.IndexAny(s.text[s.at:], stop)
	if n < 0 {
		n = len(s.text) - s.at
	}
	s.advance(n)
}

// spaces skips spaces and tabs.
func (s *scanner) spaces() {
	for s.skip(" ") || s.skip("\t") {
	}
}

// blank skips white space, line ends and comments.
func (s *scanner) blank() {
	for {
		switch {
		case s.skip(" "), s.skip("\t"), s.skip("\r"), s.skip("\n"):
		case s.peek("#"):
			s.until("\n")
		default:
			return
		}
	}
}

func (s *scanner) note(p path, line int) {
	if _, ok := s.lines[p]; !ok {
		s.lines[p] = line
	}
}

// header reads [table] or [[array of tables]] and gives the place of what follows.
func (s *scanner) header() path {
	line := s.line
	s.skip("[")
	array := s.skip("[")
	keys := s.dottedKey()
	s.skip("]")
	if array {
		s.skip("]")
	}
	var p path
	for i, k := range keys {
		p = p.key(k)
		s.note(p, line)
		switch last := i == len(keys)-1; {
		case last && array:
			p = p.index(s.arrays[p])
			s.arrays[p.parent()]++
			s.note(p, line)
		case !last && s.arrays[p] > 0:
			p = p.index(s.arrays[p] - 1)
		}
	}
	return p
}

// pair reads key = value.
func (s *scanner) pair(table path) {
	line, p := s.line, table
	for _, k := range s.dottedKey() {
		p = p.key(k)
		s.note(p, line)
	}
	if s.skip("=") {
		s.spaces()
		s.value(p)
	}
}

// dottedKey reads a.b."c" and the spaces around it.
func (s *scanner) dottedKey() (keys []string) {
	for {
		s.spaces()
		keys = append(keys, s.simpleKey())
		s.spaces()
		if !s.skip(".") {
			return keys
		}
	}
}

func (s *scanner) simpleKey() string {
	start := s.at
	if !s.peek(`"`) && !s.peek(`'`) {
		s.until(" \t\r\n.=[]{}\"'#,")
		return s.text[start:s.at]
	}
	s.quoted()
	return unquote(s.text[start:s.at])
}

// unquote asks the library what a quoted key is.
func unquote(raw string) string {
	var v struct{ V string }
	if toml.Unmarshal([]byte("V = "+raw), &v) != nil {
		return raw
	}
	return v.V
}

// value goes over a value and notes the keys and elements in it.
func (s *scanner) value(p path) {
	switch {
	case s.peek(`"`), s.peek(`'`):
		s.quoted()
	case s.skip("["):
		s.list(p)
	case s.skip("{"):
		s.inline(p)
	default:
		s.until(",]}#\n")
	}
}

// quoted goes over a string of any of the four kinds.
func (s *scanner) quoted() {
	quote := s.text[s.at : s.at+1]
	if s.skip(strings.Repeat(quote, 3)) {
		s.multiline(quote)
		return
	}
	s.skip(quote)
	s.toQuote(quote, quote+"\n")
}

// multiline goes behind the end of a """ or ”' string, which may have one or two quotes of its own in front of the three.
func (s *scanner) multiline(quote string) {
	end := strings.Repeat(quote, 3)
	for s.at < len(s.text) && !s.peek(end) {
		if !s.toQuote("", quote) {
			return
		}
		if !s.peek(end) {
			s.advance(1)
		}
	}
	s.skip(end)
	for range 2 {
		s.skip(quote)
	}
}

// toQuote moves to the first byte of stop that is not escaped, and behind it if it is close. It gives false at the end.
func (s *scanner) toQuote(closing, stop string) bool {
	for {
		if stop[0] == '"' {
			s.until(stop + `\`)
		} else {
			s.until(stop)
		}
		switch {
		case s.at >= len(s.text):
			return false
		case stop[0] == '"' && s.peek(`\`):
			s.advance(2)
		case closing != "":
			s.skip(closing)
			return true
		default:
			return true
		}
	}
}

func (s *scanner) list(p path) {
	for i := 0; ; i++ {
		s.blank()
		if s.skip("]") || s.at >= len(s.text) {
			return
		}
		before := s.at
		s.note(p.index(i), s.line)
		s.value(p.index(i))
		s.blank()
		if !s.skip(",") && s.at == before {
			s.at = len(s.text)
		}
	}
}

func (s *scanner) inline(p path) {
	for {
		s.blank()
		if s.skip("}") || s.at >= len(s.text) {
			return
		}
		before := s.at
		s.pair(p)
		s.blank()
		if !s.skip(",") && s.at == before {
			s.at = len(s.text)
		}
	}
}
