package script

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Machine is a plugin at work, natively or in the engine: n items in the input region, an answer for each in the output region.
type Machine interface {
	Input() []byte
	Call(n int) ([]byte, error)
}

// Open makes a machine with settings.
type Open func(settings []Setting) (Machine, error)

// form is the events and the answers of a kind of plugin. It keeps what the host would keep for the plugin, from one event to the
// next.
type form interface {
	// item writes an event as an item of the input region.
	item(e *Event) ([]byte, error)
	// answer reads what an item of the output region says, a line for each command, and keeps what is to be kept. It is given what
	// is behind the item's head, cut to its size, and the number of commands that the head tells.
	answer(out []byte, n int) ([]string, error)
}

// forms are the kinds of plugin that have events.
var forms = map[string]func() form{
	"strategy": func() form { return &strategy{} },
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

// Play runs a file, and gives the results up to a case that could not be begun, because no machine opens or the event does not
// fit, with why. A plugin that traps is opened again and goes on with what the host has kept, as in a node.
func (f *File) Play(open Open) ([]Result, error) {
	p := player{file: f, open: open}
	var results []Result
	for i := range f.Cases {
		r, err := p.play(&f.Cases[i])
		if err != nil {
			return results, err
		}
		results = append(results, r)
	}
	return results, nil
}

type player struct {
	file     *File
	open     Open
	form     form
	settings []Setting
	machine  Machine // nil: open one
}

func (p *player) play(c *Case) (r Result, err error) {
	if c.Start == Anew {
		p.form, p.settings = forms[p.file.Kind](), c.Settings
	}
	if c.Start != GoOn || p.machine == nil {
		if p.machine, err = p.open(p.settings); err != nil {
			return r, p.file.located(&c.Event, err)
		}
	}
	item, err := p.form.item(&c.Event)
	if err != nil {
		return r, p.file.located(&c.Event, err)
	}
	in := p.machine.Input()
	if len(item) > len(in) {
		return r, p.file.located(&c.Event, fmt.Errorf("the event takes %d bytes and the plugin has room for %d", len(item), len(in)))
	}
	copy(in, item)
	r = Result{Line: c.Event.At, Event: strings.TrimSpace(p.file.lines[c.Event.At-1]), Want: c.Want}
	if r.Got, r.Err = p.call(); r.Err != nil {
		r.Got, p.machine = []string{Trapped}, nil
	}
	return r, nil
}

// call hands over the one item and reads the answer.
func (p *player) call() ([]string, error) {
	out, err := p.machine.Call(1)
	if err != nil {
		return nil, err
	}
	if len(out) < abi.OutHead {
		return nil, errOutput
	}
	size, status := binary.LittleEndian.Uint32(out), binary.LittleEndian.Uint16(out[abi.OutStatus:])
	switch {
	case size < abi.OutHead || size%8 != 0 || size > uint32(len(out)) || status > abi.StatusFailed:
		return nil, errOutput
	case status == abi.StatusFailed:
		return []string{Failed}, nil
	}
	lines, err := p.form.answer(out[abi.OutHead:size], int(binary.LittleEndian.Uint16(out[abi.OutCount:])))
	if len(lines) == 0 && err == nil {
		lines = []string{Nothing}
	}
	return lines, err
}

// errOutput says that a plugin wrote what cannot be.
var errOutput = errors.New("its output is damaged: a size, a count or a status cannot be")
