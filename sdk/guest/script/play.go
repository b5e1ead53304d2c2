package script

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Machine is a plugin at work, natively or in the engine: n items in the input region, an answer for each in the output region.
type Machine interface {
	Input() []byte
	State() []byte    // nil: it has no such region
	Features() uint64 // that it relies on
	Call(n int) ([]byte, error)
}

// Open makes a machine with settings.
type Open func(settings []Setting) (Machine, error)

// form is the events and the answers of a kind of plugin. It keeps what the host would keep for the plugin, from one event to the
// next.
type form interface {
	// event reads an event. It is called once to find the mistakes of a file, and once for each time that the file is run.
	event(e *Event) (ask, error)
	// setup takes a link line, which holds until the next one.
	setup(l *Line) error
}

// ask does with a machine what an event asks for: usually one [call]. It gives a line for each command of the answer and keeps what
// is to be kept. An error is what a node would take for a trap.
type ask func(Machine) ([]string, error)

// forms are the kinds of plugin that have events.
var forms = map[string]func() form{
	"strategy": func() form { return &strategy{} },
	"driver":   func() form { d := &driver{}; d.lose(); return d },
}

// What stands for an answer that has no lines of its own.
const (
	Nothing = "nothing" // no command
	Failed  = "failed"  // the plugin says that it has no answer
	Trapped = "trap"    // it trapped, panicked, ran out of fuel, or wrote what cannot be
)

// Result is what came of a case.
type Result struct {
	Line  int    // of the event in the file
	Event string // its line
	Want  []string
	Got   []string
	Err   error // why it trapped
}

// OK tells whether what came is what was expected.
func (r *Result) OK() bool { return slices.Equal(r.Want, r.Got) }

// Diff shows what was expected and what came: - and + before the lines that differ, two blanks before those that do not.
func (r *Result) Diff() string {
	var b strings.Builder
	if len(r.Want) == 0 {
		b.WriteString("  (nothing is expected yet: -update or --write puts there what comes)\n")
	}
	at := 0
	for _, w := range r.Want {
		if i := slices.Index(r.Got[at:], w); i >= 0 {
			for _, g := range r.Got[at : at+i] {
				b.WriteString("+ " + g + "\n")
			}
			at += i + 1
			b.WriteString("  " + w + "\n")
			continue
		}
		b.WriteString("- " + w + "\n")
	}
	for _, g := range r.Got[at:] {
		b.WriteString("+ " + g + "\n")
	}
	if r.Err != nil {
		b.WriteString("  " + r.Err.Error() + "\n")
	}
	return b.String()
}

// Play runs a file, case by case as its results are asked for. It ends with an error at a case that cannot be begun, because no machine
// opens. A plugin that traps is opened again and goes on with what the host has kept, as in a node.
func (f *File) Play(open Open) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		p := player{file: f, open: open}
		for i := range f.Cases {
			r, err := p.play(&f.Cases[i])
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

type player struct {
	file     *File
	open     Open
	form     form
	settings []Setting
	link     *Line   // the last; nil: none yet
	machine  Machine // nil: open one
}

func (p *player) play(c *Case) (r Result, err error) {
	if c.Link != nil {
		p.link = c.Link
	}
	if c.Start == Anew {
		p.form, p.settings = forms[p.file.Kind](), c.Settings
	}
	if p.link != nil && (c.Start == Anew || c.Link != nil) {
		if err := p.form.setup(p.link); err != nil {
			return r, p.file.located(&c.Event, err)
		}
	}
	if c.Start != GoOn || p.machine == nil {
		if p.machine, err = p.open(p.settings); err != nil {
			return r, p.file.located(&c.Event, err)
		}
	}
	ask, err := p.form.event(&c.Event)
	if err != nil {
		return r, p.file.located(&c.Event, err)
	}
	r = Result{Line: c.Event.At, Event: strings.TrimSpace(p.file.lines[c.Event.At-1]), Want: c.Want}
	r.Got, r.Err = ask(p.machine)
	switch {
	case errors.Is(r.Err, errFailed):
		r.Got, r.Err = []string{Failed}, nil
	case r.Err != nil:
		r.Got, p.machine = []string{Trapped}, nil
	case len(r.Got) == 0:
		r.Got = []string{Nothing}
	}
	return r, nil
}

// answer is an item of the output region.
type answer struct {
	status uint16
	head   []byte // of the item, abi.OutHead bytes
	n      int    // commands or records
	list   []byte // they
}

// call hands over one item and takes its answer apart.
func call(m Machine, item []byte) (a answer, err error) {
	in := m.Input()
	if len(item) > len(in) {
		return a, fmt.Errorf("the event takes %d bytes and the plugin has room for %d", len(item), len(in))
	}
	copy(in, item)
	out, err := m.Call(1)
	switch {
	case err != nil:
		return a, err
	case len(out) < abi.OutHead:
		return a, errOutput
	}
	size := binary.LittleEndian.Uint32(out)
	if size < abi.OutHead || size%8 != 0 || size > uint32(len(out)) {
		return a, errOutput
	}
	a.status, a.n = binary.LittleEndian.Uint16(out[abi.OutStatus:]), int(binary.LittleEndian.Uint16(out[abi.OutCount:]))
	a.head, a.list = out[:abi.OutHead], out[abi.OutHead:size]
	if a.status == abi.StatusFailed {
		return a, errFailed
	}
	return a, nil
}

var (
	// errOutput says that a plugin wrote what cannot be.
	errOutput = errors.New("its output is damaged: a size, a count or a status cannot be")

	// errFailed says that it has no answer.
	errFailed = errors.New("the plugin has no answer")
)
