package script

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Bounds of a file. It travels in a module's manifest, and a node runs it before the plugin may work.
const (
	MaxSize   = 256 << 10 // bytes
	MaxEvents = 1000
)

// divider stands between an event and what is expected of it.
const divider = "----"

// File is a script, read and checked.
type File struct {
	Name  string // for messages
	Kind  string // of plugin: strategy, driver
	Cases []Case

	lines []string // as they came: a rewritten file differs in what is expected alone
}

// Case is an event with what is expected of it.
type Case struct {
	Event    Event
	Want     []string
	Start    Start     // what happens to the plugin before the event
	Settings []Setting // of Anew
	Link     *Line     // what is said of the links from here on; nil: as before

	end, next int // the lines after the event, and after what is expected, counted from 0
}

// Start says what happens to the plugin before an event.
type Start uint8

// The starts.
const (
	GoOn    Start = iota // the same instance goes on
	Restart              // another instance; what the host keeps stays
	Anew                 // another instance with the case's settings; nothing is kept
)

// Event is what happens: a line, and lines that belong to it.
type Event struct {
	*Line
	Details []*Line
}

// Mistake is a line of a file that cannot be.
type Mistake struct {
	File string
	Line int
	Why  string
}

func (m *Mistake) Error() string { return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Why) }

// Read reads a script for a kind of plugin. name is for messages. The error holds all mistakes, each with its line.
func Read(name, kind string, data []byte) (*File, error) {
	newForm, ok := forms[kind]
	if !ok {
		return nil, fmt.Errorf("%s: there are no scripted events for a %s", name, kind)
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%s: it has %d bytes and may have %d", name, len(data), MaxSize)
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	r := &reader{file: &File{Name: name, Kind: kind, lines: strings.Split(strings.TrimRight(text, "\n"), "\n")}, form: newForm()}
	r.pending.Start = Anew
	for r.at < len(r.file.lines) {
		r.block()
	}
	switch {
	case len(r.file.Cases) > MaxEvents:
		r.mistake(r.file.Cases[MaxEvents].Event.At, fmt.Sprintf("a file has at most %d events", MaxEvents))
	case r.waits > 0:
		r.mistake(r.waits, "no event follows")
	case len(r.file.Cases) == 0:
		r.mistake(1, "there is no event in it")
	}
	return r.file, errors.Join(r.wrong...)
}

// reader goes through the lines of a file.
type reader struct {
	file    *File
	form    form // built for a dry run: it finds the mistakes in events
	at      int  // the next line, from 0
	pending Case // what config, restart and link have said about the next case
	waits   int  // the line that said so; 0: none
	wrong   []error
}

func (r *reader) mistake(line int, why string) {
	const enough = 20
	if len(r.wrong) < enough {
		r.wrong = append(r.wrong, &Mistake{r.file.Name, line, why})
	}
}

// block reads up to the next blank line: an event, or config, restart and link.
func (r *reader) block() {
	var lines []*Line
	divided := false
	for ; r.at < len(r.file.lines) && !divided; r.at++ {
		raw := strings.TrimSpace(r.file.lines[r.at])
		if raw == "" {
			break
		}
		if divided = raw == divider; divided || strings.HasPrefix(raw, "#") {
			continue
		}
		l, err := readLine(r.at+1, raw)
		switch {
		case err != nil:
			r.mistake(r.at+1, err.Error())
		case l.Verb == "config" || l.Verb == "restart":
			r.start(l)
		case l.Verb == "link":
			r.pending.Link, r.waits = l, l.At
		default:
			lines = append(lines, l)
		}
	}
	switch {
	case len(lines) > 0:
		r.event(lines, divided)
	case divided:
		r.mistake(r.at, divider+" without an event above it")
	default:
		r.at++ // the blank line
	}
}

// start notes a config or a restart for the next case.
func (r *reader) start(l *Line) {
	if l.Verb == "restart" {
		if len(l.Words) > 0 || len(l.fields) > 0 {
			r.mistake(l.At, "restart has nothing after it")
		}
		r.pending.Start = max(r.pending.Start, Restart)
	} else {
		if len(l.Words) > 0 {
			r.mistake(l.At, "config has fields: config key=value")
		}
		r.pending.Start, r.form = Anew, forms[r.file.Kind]()
		for _, f := range l.fields {
			r.pending.Settings = append(r.pending.Settings, Setting{f.key, f.value, f.quoted})
		}
	}
	r.waits = l.At
}

// event reads what is expected of an event, and adds the case. Without a divider nothing is expected yet: the file is to be
// rewritten.
func (r *reader) event(lines []*Line, divided bool) {
	c := r.pending
	c.Event = Event{lines[0], lines[1:]}
	if c.end = r.at; divided {
		c.end--
	}
	for ; divided && r.at < len(r.file.lines); r.at++ {
		raw := strings.TrimRightFunc(r.file.lines[r.at], unicode.IsSpace)
		if raw == "" {
			break
		}
		c.Want = append(c.Want, raw)
	}
	c.next = r.at
	r.pending, r.waits = Case{}, 0
	r.file.Cases = append(r.file.Cases, c)
	if c.Link != nil {
		if err := r.form.setup(c.Link); err != nil {
			r.mistake(c.Link.At, err.Error())
			return
		}
	}
	if _, err := r.form.event(&c.Event); err != nil {
		r.wrong = append(r.wrong, r.file.located(&c.Event, err))
	}
}

// located gives an error of an event its place, unless it has one.
func (f *File) located(e *Event, err error) error {
	at := e.At
	var l *lineError
	if errors.As(err, &l) {
		at = l.at
	}
	return &Mistake{f.Name, at, err.Error()}
}

// Text gives the file with what came in place of what was expected. Cases without a result stay as they are.
func (f *File) Text(results []Result) []byte {
	var b strings.Builder
	at := 0
	for i := range f.Cases[:min(len(results), len(f.Cases))] {
		c := &f.Cases[i]
		for _, l := range f.lines[at:c.end] {
			b.WriteString(l + "\n")
		}
		b.WriteString(divider + "\n")
		for _, l := range results[i].Got {
			b.WriteString(l + "\n")
		}
		at = c.next
	}
	for _, l := range f.lines[at:] {
		b.WriteString(l + "\n")
	}
	return []byte(b.String())
}
