package script

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// toy is a strategy that does something different for each event, and counts in its memory.
type toy struct {
	first int64
	seen  int
}

func (y *toy) Configure(v guest.Values) error {
	if y.first = v.Int("first", 1); y.first > 9 {
		return fmt.Errorf("first is %d", y.first)
	}
	return nil
}

func (y *toy) Decide(ev *guest.Event, do *guest.Commands) {
	y.seen++
	switch {
	case ev.TTL == 0:
		panic("no ttl")
	case ev.Kind == abi.ReturnIn:
		do.Return(ev.Reason)
	case ev.Kind == abi.RetryIn:
		do.SendAll()
		do.Drop()
	case len(ev.Hops) > 0 && ev.Hops[0].State&abi.HopInFace != 0:
		do.SendTo(uint32(y.seen))
	case len(ev.Hops) > 0:
		do.SendFirst(uint8(y.first))
	}
}

// mock takes what a test would be told.
type mock struct{ said []string }

func (*mock) Helper()                     {}
func (*mock) Logf(string, ...any)         {}
func (m *mock) Errorf(f string, a ...any) { m.said = append(m.said, fmt.Sprintf(f, a...)) }
func (m *mock) Fatal(a ...any)            { m.said = append(m.said, fmt.Sprint(a...)) }

const good = `# A life.
interest name=010203010000 seq=5 in=3 ttl=7 # a comment
hop face=4 cost=10
----
send first 1

return at=+20ms reason=not-here
hop face=4 state=tried,returned
----
return not-here

retry at=1m
----
send all
drop

interest
----
nothing

interest in=4
hop face=4
----
send 5

interest ttl=0
----
trap

interest in=4
hop face=4
# a trap costs the memory
----
send 1

config first=3

interest
hop face=4
----
send first 3

restart
interest in=4
hop face=4
----
send 1
`

// collect gives the results up to an error.
func collect(f *File, open Open) (results []Result, err error) {
	for r, err := range f.Play(open) {
		if err != nil {
			return results, err
		}
		results = append(results, r)
	}
	return results, nil
}

func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	if n := Run(t, &toy{}, file); n != 9 {
		t.Errorf("%d events", n)
	}
	write(strings.Replace(good, "send first 3", "send first 2\nsend 9", 1))
	var m mock
	Run(&m, &toy{}, file)
	if want := []string{file + ":38: interest\n- send first 2\n- send 9\n+ send first 3\n"}; !slices.Equal(m.said, want) {
		t.Errorf("said %q, want %q", m.said, want)
	}

	*update = true
	defer func() { *update = false }()
	Run(t, &toy{}, file)
	if got, err := os.ReadFile(file); err != nil || string(got) != good {
		t.Errorf("rewritten to\n%s\n%v", got, err)
	}
}

// A new script may leave out what is expected: it fails until it is rewritten.
func TestNothingExpectedYet(t *testing.T) {
	f, err := Read("x", "strategy", []byte("interest\n\n# the end\nretry\n----\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := collect(f, native(&toy{}))
	if err != nil || len(results) != 2 || results[0].OK() || !strings.Contains(results[0].Diff(), "nothing is expected yet") {
		t.Fatalf("%+v, %v", results, err)
	}
	const want = "interest\n----\nnothing\n\n# the end\nretry\n----\nsend all\ndrop\n"
	if got := string(f.Text(results)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Every mistake has its line, and says what would be right.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"fly":                                "x:1: fly is no event of a strategy: want one of interest, retry, return, renew",
		"interest\nhop cost=1":               "x:2: a hop wants its face",
		"interest\nhop face=1\nroute":        "x:3: route: want a hop under an event",
		"interest seq=-1":                    "x:1: seq=-1: want a whole number of at most 4294967295",
		"interest ttl=256":                   "x:1: ttl=256: want a whole number of at most 255",
		"interest name=0102":                 "x:1: name=0102: want 6 bytes in hex, this has 2",
		"interest name=01020304050g":         "x:1: name=01020304050g: want hex digits",
		"return reason=tired":                "x:1: reason=tired: want one of no-route, ",
		"interest color=red":                 "x:1: interest has no field color; it has at, more, ",
		"interest seq=1 seq=2":               "x:1: seq stands there twice",
		"interest now":                       "x:1: now: want key=value",
		"interest\nhop face=1 state=odd":     `x:2: state=odd: "odd" is none of tried, returned, in, producer`,
		"interest signal=5":                  "x:1: signal=5: want a number between -32768 and 0",
		"interest kind=wifi":                 "x:1: kind=wifi: want one of self, peer, ",
		"interest\nhop face=1 loss=2":        "x:2: loss=2: want a number between 0 and 1",
		"interest\nhop face=1 rtt=2h":        "x:2: rtt=2h: want at most 1h11m34",
		"interest\nhop face=1 rtt=-1s":       "x:2: rtt=-1s: want a time like 20ms",
		"interest show=all":                  "x:1: show=all: \"all\" is none of route, pending",
		"route name=01020304050607":          "x:1: name=01020304050607: a prefix has at most 6 bytes",
		"face state=gone":                    "x:1: state=gone: want one of up, down",
		"migrate route=01":                   "x:1: migrate wants the schema and one block",
		"migrate from=a":                     "x:1: migrate wants the schema and one block",
		"migrate from=a route=01\nhop":       "x:1: nothing belongs to migrate",
		"interest at=soon":                   "x:1: at=soon: want a time",
		"interest at=2s\n\ninterest at=1s":   "x:3: at=1s: it is 2s already",
		"interest name=\"":                   "x:1: \": a quote that does not end",
		"interest name=\"a\"b":               "x:1: \"a\": a blank is missing after the quote",
		"interest name=":                     "x:1: name= has no value",
		"interest a=b=c":                     "x:1: b=c: want key=value",
		"seq=1":                              "x:1: a line begins with a word",
		"----\nsend all":                     "x:1: ---- without an event above it",
		"config a=1":                         "x:1: no event follows",
		"interest\n\nrestart":                "x:3: no event follows",
		"restart now\ninterest":              "x:1: restart has nothing after it",
		"config now\ninterest":               "x:1: config has fields",
		"# nothing":                          "x:1: there is no event in it",
		"":                                   "x:1: there is no event in it",
		"fly\n\nfly":                         "x:3: fly",
		strings.Repeat("interest\n\n", 1001): "x:2001: a file has at most 1000 events",
		strings.Repeat("#", MaxSize+1):       "it has 262145 bytes and may have 262144",
		"interest" + strings.Repeat("\nhop face=1", abi.MaxHops+1): "x:1: a strategy is shown at most 8 next hops",
	} {
		if _, err := Read("x", "strategy", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q in it", text, err, want)
		}
	}
	if _, err := Read("x", "decoder", nil); err == nil || !strings.Contains(err.Error(), "no scripted events for a decoder") {
		t.Error(err)
	}
	var m mock
	Run(&m, 3, "x")
	Run(&m, &toy{}, "testdata/none")
	if len(m.said) != 2 || !strings.Contains(m.said[0], "a int is no plugin") || !strings.Contains(m.said[1], "no such file") {
		t.Errorf("%q", m.said)
	}
}

func TestRefusedConfiguration(t *testing.T) {
	f, err := Read("x", "strategy", []byte("interest\n----\nnothing\n\nconfig first=10\ninterest\n----\nnothing\n"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := collect(f, native(&toy{}))
	if len(results) != 1 || err == nil || err.Error() != "x:6: the plugin refuses its configuration: first is 10" {
		t.Errorf("%d results, %v", len(results), err)
	}
}

func TestSettings(t *testing.T) {
	for text, want := range map[string]abi.Value{
		"a=true":   {Name: "a", Type: abi.ListBool, Bool: true},
		"a=-7":     {Name: "a", Type: abi.ListInt, Int: -7},
		"a=0.5":    {Name: "a", Type: abi.ListFloat, Num: 0.5},
		"a=2s":     {Name: "a", Type: abi.ListInt, Int: 2e9},
		"a=fast":   {Name: "a", Type: abi.ListText, Text: "fast"},
		`a="7"`:    {Name: "a", Type: abi.ListText, Text: "7"},
		`a="b c="`: {Name: "a", Type: abi.ListText, Text: "b c="},
	} {
		f, err := Read("x", "strategy", []byte("config "+text+"\ninterest\n"))
		if err != nil {
			t.Fatal(text, err)
		}
		if got := f.Cases[0].Settings[0].Value(); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// answers is a machine that answers with what it is given.
type answers [][]byte

func (answers) Input() []byte               { return make([]byte, abi.StrategyInput) }
func (answers) State() []byte               { return nil }
func (answers) Features() uint64            { return 0 }
func (a *answers) Call(int) ([]byte, error) { out := (*a)[0]; *a = (*a)[1:]; return out, nil }

// What a plugin writes that cannot be is a trap, as in a node, and never more than that.
func TestDamagedAnswers(t *testing.T) {
	item := func(size, status, count byte, command ...byte) []byte {
		b := make([]byte, abi.OutHead+abi.CommandSize)
		b[abi.OutSize], b[abi.OutStatus], b[abi.OutCount] = size, status, count
		copy(b[abi.OutHead:], command)
		return b
	}
	for _, c := range []struct {
		why string
		out []byte
	}{
		{"output is damaged", item(16, 0, 0)},
		{"output is damaged", item(41, 0, 0)},
		{"output is damaged", item(48, 0, 0)},
		{"output is damaged", []byte{1, 2, 3}},
		{"output is damaged", item(40, 2, 0)},
		{"output is damaged", item(40, 0, 2)},
		{"has 5 commands", append(item(24+5*abi.CommandSize, 0, 5), make([]byte, 4*abi.CommandSize)...)},
		{"a command that cannot be", item(40, 0, 1, 99)},
		{"a command that cannot be", item(40, 0, 1, abi.SendFirst, 0)},
		{"a command that cannot be", item(40, 0, 1, abi.SendReturn, 0, 7)},
	} {
		f, err := Read("x", "strategy", []byte("interest\n----\ntrap\n\ninterest\n----\nfailed\n"))
		if err != nil {
			t.Fatal(err)
		}
		machine := &answers{c.out, item(24, abi.StatusFailed, 0)}
		results, err := collect(f, func([]Setting) (Machine, error) { return machine, nil })
		if err != nil || len(results) != 2 || !results[0].OK() || !results[1].OK() || results[0].Err == nil || !strings.Contains(results[0].Err.Error(), c.why) {
			t.Errorf("%v: %+v, %v", c, results, err)
		}
	}
}

// Whatever stands in a file, it is read or refused; what was read can be written again, and means the same.
func FuzzRead(f *testing.F) {
	f.Add(good, false)
	f.Add(life, false)
	f.Add(conversationText, true)
	f.Add("interest name=\"\\x00\" at=+1s\n----\n", false)
	f.Add("return\n\v", false) // a blank line is blank above and below the divider
	f.Fuzz(func(t *testing.T, text string, driver bool) {
		kind := map[bool]string{false: "strategy", true: "driver"}[driver]
		file, err := Read("x", kind, []byte(text))
		if err != nil {
			return
		}
		results := make([]Result, len(file.Cases))
		for i := range results {
			results[i].Got = []string{"send 1", "drop"}
		}
		again, err := Read("x", kind, file.Text(results))
		if err != nil || len(again.Cases) != len(file.Cases) {
			t.Fatalf("%v: %q became %q", err, text, file.Text(results))
		}
		for i := range again.Cases {
			if c := &again.Cases[i]; !slices.Equal(c.Want, results[i].Got) || c.Event.Verb != file.Cases[i].Event.Verb || c.Start != file.Cases[i].Start {
				t.Errorf("%q became %q", text, file.Text(results))
			}
		}
	})
}
