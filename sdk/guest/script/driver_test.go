package script

import (
	"bytes"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// lines is a driver whose frames end with a newline. It counts them in the link's block, and in the peer's.
type lines struct{}

func (lines) Configure(guest.Values) error { return nil }

func (lines) Received(l *guest.Link, in []byte) (consumed int) {
	for {
		n := bytes.IndexByte(in[consumed:], '\n')
		if n < 0 {
			return consumed
		}
		switch frame := in[consumed : consumed+n]; {
		case string(frame) == "panic":
			l.Block()[0] = 99
			panic("asked to")
		case string(frame) == "bad":
			l.Damaged(1)
		case string(frame) == "later":
			l.After(20)
		case string(frame) == "loud":
			l.Frame(frame, -70)
		default:
			if !l.Frame(frame, 0) {
				return consumed
			}
		}
		if len(l.Block()) > 0 {
			l.Block()[0]++
			l.PeerBlock()[0]++
		}
		consumed += n + 1
	}
}

func (lines) Send(l *guest.Link, frame []byte) {
	l.Bytes(append(append([]byte{}, frame...), '\n'))
	if l.Peer() == 1 {
		l.BytesTo(2, []byte{7})
	}
}

func (lines) Timer(l *guest.Link) { l.Frame([]byte{byte(l.Now() / 1e6)}, 0) }

func (lines) Event(l *guest.Link, up bool) {
	if up {
		l.Bytes([]byte("hello"))
	}
}

const conversationText = `link link_block=8 peer_block=8

up
----
bytes 68656c6c6f

received text="a\nb"
----
frame 61
need more 1

# the rest of one peer is not that of another
received peer=3 text="c\n"
----
frame 63

received hex=0a show=link,peer
----
frame 62
link 03
peer 02

received text="loud\nbad\nlater\n" at=1s
----
frame 6c6f7564 signal=-70
damaged 1
timer 20ms

timer
----
frame fc

timer
----
no timer

send peer=1 hex=01
----
bytes 010a
bytes 07 peer=2

received text="x"
----
need more 1

down
----
nothing

received text="\n"
----
frame 

# a trap costs what was kept, and what it has written
received text="panic\n"
----
trap

received text="y\n" show=link,peer
----
frame 79
link 01
peer 01

link transport=datagram
received text="z\nrest"
----
frame 7a
damaged 1

received text="\n"
----
frame 
`

func TestConversation(t *testing.T) {
	text := strings.ReplaceAll(conversationText, "frame \n", "frame\n")
	f, err := Read("x", "driver", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	results, err := collect(f, native(lines{}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range results {
		if r := &results[i]; !r.OK() {
			t.Errorf("line %d: %s\n%s", r.Line, r.Event, r.Diff())
		}
	}
}

// More comes in one piece than one output has room for, and what waits for its end is bounded.
func TestLongConversation(t *testing.T) {
	many := strings.Repeat(`\n`, 2000)
	f, err := Read("x", "driver", []byte(`received text="`+many+"\"\n\nreceived text=\""+strings.Repeat("x", 4000)+"\"\n\nreceived text=\""+strings.Repeat("x", 200)+"\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := collect(f, native(lines{}))
	if err != nil || len(results[0].Got) != 2000 || strings.Join(results[1].Got, ";") != "need more 4000" || strings.Join(results[2].Got, ";") != "damaged 1" {
		t.Errorf("%d lines, %v, %v, %v", len(results[0].Got), results[1].Got, results[2].Got, err)
	}
}

// mover is lines with blocks of another schema than before.
type mover struct{ lines }

// MigrateBlock moves what stood at the beginning of a link's block behind its size.
func (mover) MigrateBlock(from uint64, peer bool, block []byte, size int) bool {
	if from != abi.SchemaID("old") || peer {
		return false
	}
	block[7], block[1], block[0] = block[0], byte(size), 0
	return true
}

// A driver is asked to convert what another version has kept.
func TestDriverMigrates(t *testing.T) {
	run := func(d guest.Driver, script string) (got []string) {
		t.Helper()
		f, err := Read("x", "driver", []byte(script))
		if err != nil {
			t.Fatal(err)
		}
		results, err := collect(f, native(d))
		if err != nil {
			t.Fatal(err)
		}
		for i := range results {
			got = append(got, strings.Join(results[i].Got, ";"))
		}
		return got
	}
	const link = "link link_block=8 peer_block=8\n"
	for script, want := range map[string]string{
		"migrate from=old link=05\n":                       "link 0001000000000005",
		"migrate from=old link=0500000000000000ffffffff\n": "link 000c000000000005", // what is beyond the new size is not kept
		"migrate from=old peer=05\n":                       "failed",
		"migrate from=older link=05\n":                     "failed",
	} {
		if got := run(mover{}, link+script); len(got) != 1 || got[0] != want {
			t.Errorf("%s gives %q, want %q", script, got, want)
		}
	}
	if got := run(lines{}, link+"migrate from=old link=05\n"); got[0] != notAsked {
		t.Errorf("%q of one that cannot", got)
	}
}

func TestDriversMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"interest":                     "x:1: interest is no event of a driver: want one of received, send, timer, up, down, migrate",
		"migrate link=01":              "x:1: migrate wants the schema and one block",
		"migrate from=a":               "x:1: migrate wants the schema and one block",
		"migrate from=a peer=1":        "x:1: peer=1: want hex digits",
		"migrate from=a link=01 at=1s": "x:1: migrate has no field at",
		"received":                     "x:1: received wants its bytes",
		`send hex=01 text="a"`:         "x:1: send wants its bytes",
		"received hex=0":               "x:1: hex=0: want hex digits",
		"received hex=" + strings.Repeat("00", 4097): "x:1: an event has at most 4096 bytes",
		"timer peer=1":             "x:1: timer has no field peer",
		"up\nhop face=1":           "x:2: hop: nothing belongs to an event of a driver",
		"link link_block=9\nup":    "x:1: sizes of blocks are multiples of 8",
		"link transport=wire\nup":  "x:1: transport=wire: want one of stream, datagram",
		"link peer_block=512\nup":  "x:1: peer_block=512: want a whole number of at most 256",
		"up\n\nlink":               "x:3: no event follows",
		"received hex=00 show=all": "is none of link, peer",
	} {
		if _, err := Read("x", "driver", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q in it", text, err, want)
		}
	}
	if _, err := Read("x", "strategy", []byte("link\ninterest\n")); err == nil || !strings.Contains(err.Error(), "x:1: a strategy has no links") {
		t.Error(err)
	}
}

func TestLinksAreThoseOfTheManifest(t *testing.T) {
	for text, want := range map[string]string{
		"up\n\ndown\n":                          "x:1: plugin.toml declares other blocks: write link link_block=8 peer_block=16",
		"link link_block=8 peer_block=16\nup\n": "",
		"link link_block=8 peer_block=16\nup\n\nlink transport=datagram\ndown\n": "x:4: plugin.toml declares other blocks",
	} {
		f, err := Read("x", "driver", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.CheckLinks(8, 16); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}
