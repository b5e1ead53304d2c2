package outside

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// patient lets every failure be told by its own reason, not by the budget for failures (P-20).
const patient = "[limits]\npeer_failures = \"1000000/s\"\nlistener_failures = \"1000000/s\"\n"

// bad is a frame that is dropped, and the reason it is counted under.
type bad struct {
	what, reason string
	raw          []byte
}

// badFrames are frames that no node takes.
func badFrames() (list []bad) {
	add := func(what, reason string, f frame) {
		list = append(list, bad{what, reason, f.bytes(networkKey)})
	}
	ask, f := interest(room, newest, 2), content(room, 1, "x")
	for _, g := range []frame{ask, f, returned(ask, 1, 1), announce("01", 1, 1, 60, 0xB0)} {
		raw := g.bytes(networkKey)
		raw[len(raw)-1] ^= 1
		list = append(list, bad{fmt.Sprintf("bad MAC of kind %d", g.kind), "bad_mac", raw})
		list = append(list, bad{fmt.Sprintf("another network's key, kind %d", g.kind), "bad_mac", g.bytes(otherKey)})
		list = append(list, bad{fmt.Sprintf("the public key, kind %d", g.kind), "bad_mac", g.bytes(publicKey)})
		for key := byte(1); key < 4; key++ {
			g.key = key
			add(fmt.Sprintf("key %d of kind %d", key, g.kind), "unknown_key", g)
		}
		g.key = 0
		for version := byte(1); version < 4; version++ {
			g.version = version
			add(fmt.Sprintf("version %d of kind %d", version, g.kind), "version", g)
		}
		g.version, g.hasNet, g.net = 0, true, 7
		add(fmt.Sprintf("a foreign Net ID, kind %d", g.kind), "foreign_network", g)
	}
	return append(list, malformed()...)
}

// malformed are frames whose MAC is right and which say what cannot be (P-23).
func malformed() (list []bad) {
	add := func(what, reason string, f frame) {
		list = append(list, bad{what, reason, f.bytes(networkKey)})
	}
	for _, size := range []int{1, 2, 6, 7, 9, 16, 100} {
		f := interest(room, newest, 2)
		f.payload = make([]byte, size)
		add(fmt.Sprintf("Interest with %d bytes", size), "interest_length", f)
	}
	for _, size := range []int{0, 1, 12, 14, 17} {
		f := frame{ttl: 7, name: room, kind: kindReturn, payload: make([]byte, size)}
		add(fmt.Sprintf("Return with %d bytes", size), "return_length", f)
	}
	short := frame{ttl: 7, name: greeting, kind: kindReturn, payload: make([]byte, 13)}
	short.payload[0] = reasonHello
	add("hello's echo without a boot number", "return_length", short)
	for _, size := range []int{0, 8, 10} {
		f := announce("01", 1, 1, 60, 0xB0)
		f.payload = append(f.payload, 0)[:size]
		add(fmt.Sprintf("Announcement with %d bytes", size), "announcement_length", f)
	}
	add("Content numbered 0", "content_number", content(room, 0, "x"))
	add("Content numbered FFFFFF", "content_number", content(room, 0xFFFFFF, "x"))
	add("Content of a reserved name", "bad_name", content(of("000203"), 1, "x"))
	add("Content of a reserved class", "bad_name", content(of("b00203"), 1, "x"))
	add("Content after the end of its name", "bad_name", content(of("01000203"), 1, "x"))
	add("Content of a pattern", "bad_name", content(anyRoom, 1, "x"))
	add("Interest in a reserved name", "bad_name", interest(of("ff02"), newest, 2))
	add("Announcement of 7 bytes", "bad_name", frame{ttl: 7, kind: kindAnnouncement, seq: 1, payload: append([]byte{7}, make([]byte, 8)...)})
	add("Announcement with bytes past its length", "bad_name", frame{
		ttl: 7, kind: kindAnnouncement, name: of("0102"), seq: 1, payload: append([]byte{1}, make([]byte, 8)...),
	})
	return list
}

// Nothing that is not as it should be is answered, makes a face of its sender or is taken for anything else; each is counted
// under its reason, whether its sender is a stranger or known.
func TestBadFramesAreCountedAndNotAnswered(t *testing.T) {
	n := start(t, setup{rest: patient})
	known, other := n.peer(), n.peer()
	known.publishes(room, 1, "x")
	other.quiet()
	for _, b := range badFrames() {
		t.Run(b.what, func(t *testing.T) {
			stranger := n.peer()
			faces := n.host.Status().Faces
			n.counts(b.reason, 2, func() {
				stranger.raw(b.raw)
				stranger.silent(other)
				known.raw(b.raw)
				known.quiet()
			})
			if got := n.host.Status().Faces; got != faces {
				t.Errorf("there are %d faces, before %d", got, faces)
			}
		})
	}
}

// samples is a valid frame of each packet type, with a Net ID field and without.
func samples() (list []frame) {
	ask := interest(room, newest, 2)
	list = []frame{
		ask,
		{ttl: 7, name: room},
		interest(room, subscribe, 60), content(room, 1, "23.5"), content(room, 2, ""),
		returned(ask, 1, 1), announce("01", 1, 1, 60, 0xB0),
		{ttl: 0, name: greeting, payload: make([]byte, 8)},
	}
	for _, f := range slices.Clone(list) {
		f.hasNet = true
		list = append(list, f)
	}
	return list
}

// Each of these frames without its last bytes, down to an empty datagram, is dropped and counted.
func TestEveryTruncationOfEveryPacketType(t *testing.T) {
	n := start(t, setup{rest: patient})
	known, stranger, other := n.peer(), n.peer(), n.peer()
	known.publishes(temp, 1, "x")
	other.quiet()
	for _, f := range samples() {
		whole := f.bytes(networkKey)
		before := n.drops()
		for length := range whole {
			stranger.raw(whole[:length])
			known.raw(whole[:length])
		}
		stranger.silent(other)
		known.quiet()
		lost := minus(n.drops(), before)
		delete(lost, "expired") // the markers
		if got := total(lost); got != 2*uint64(len(whole)) {
			t.Errorf("%v: %d of %d truncations were counted: %v", f, got, 2*len(whole), lost)
		}
		if least := 2 * uint64(15); lost["short"] < least {
			t.Errorf("%v: %d were counted as short, want at least %d", f, lost["short"], least)
		}
	}
	if got := n.host.Status().Tables; got.PIT+got.Subscriptions > 0 || got.Producers != 1 {
		t.Errorf("something was taken for a frame: %+v", got)
	}
}

// drops are the node's counters by reason.
func (n *node) drops() map[string]uint64 { return n.host.Status().Drops }

func minus(after, before map[string]uint64) map[string]uint64 {
	lost := maps.Clone(after)
	for reason, count := range before {
		if lost[reason] -= count; lost[reason] == 0 {
			delete(lost, reason)
		}
	}
	return lost
}

func total(counts map[string]uint64) (sum uint64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// What is longer than 1,280 bytes is no frame, however long, and whatever its beginning is.
func TestOversize(t *testing.T) {
	n := start(t, setup{rest: patient})
	known, stranger, other := n.peer(), n.peer(), n.peer()
	for _, p := range []*peer{known, other} {
		p.quiet()
	}
	for _, size := range []int{longest + 1, longest + 2, 1472, 9000, 65507} {
		raw := content(room, 1, string(make([]byte, size-15))).bytes(networkKey)
		start := append(interest(room, newest, 2).bytes(networkKey), make([]byte, size)...)[:size]
		n.counts("long", 4, func() {
			for _, b := range [][]byte{raw, start} {
				stranger.raw(b)
				known.raw(b)
			}
			stranger.silent(other)
			known.quiet()
		})
	}
	if got := n.host.Status(); got.Store.Names != 0 || got.Faces != 2 {
		t.Errorf("%d names are stored, and there are %d faces, want 0 and 2", got.Store.Names, got.Faces)
	}
}

// A face may have a smaller MTU.
func TestOversizeOfAFace(t *testing.T) {
	n := start(t, setup{lan: "publish = [\"01\"]\nmtu = 64"})
	p := n.peer()
	f := p.publishes(room, 1, string(make([]byte, 64-15)))
	n.counts("long", 1, func() { p.publishes(room, 2, string(make([]byte, 65-15))) })
	p.send(interest(room, newest, 2))
	p.gets(f)
}

// The Net IDs 0 and 1 and no field at all are the local network, whose frames leave without the field.
func TestNetIDsOfTheLocalNetwork(t *testing.T) {
	n := start(t, setup{})
	producer, asker := n.peer(), n.peer()
	for i, id := range []uint32{0, 1} {
		f := content(room, 1+uint32(i), "x")
		f.hasNet, f.net = true, id
		producer.send(f)
		producer.quiet()
		f.hasNet, f.net = false, 0
		for _, asked := range []uint32{0, 1} {
			ask := interest(room, newest, 2)
			ask.hasNet, ask.net = true, asked
			asker.send(ask)
			asker.gets(f)
		}
	}
	n.counts("foreign_network", 1, func() {
		ask := interest(room, newest, 2)
		ask.hasNet, ask.net = true, 0x00010010
		asker.send(ask)
		asker.quiet()
	})
}

// A node with a Net ID takes all of these as its own, and writes the field unless the face is not to have it.
func TestNetIDsOfANodeWithOne(t *testing.T) {
	const own = 0x00010010
	for _, field := range []bool{true, false} {
		t.Run(fmt.Sprint("field ", field), func(t *testing.T) {
			n := start(t, setup{node: fmt.Sprintf("net_id = %d", own), lan: fmt.Sprintf("publish = [\"01\"]\nnet_id_field = %t", field)})
			producer, asker := n.peer(), n.peer()
			f := content(room, 1, "x")
			f.hasNet, f.net = true, own
			producer.send(f)
			producer.upToMark()
			if f.hasNet = field; !field {
				f.net = 0
			}
			for _, ask := range []frame{{}, {hasNet: true}, {hasNet: true, net: 1}, {hasNet: true, net: own}} {
				ask.ttl, ask.name, ask.payload = 7, room, asking(stamp(), 2)
				asker.send(ask)
				asker.gets(f)
			}
			n.counts("foreign_network", 1, func() {
				asker.send(frame{hasNet: true, net: own + 1, ttl: 7, name: room, payload: asking(stamp(), 2)})
				asker.quiet()
			})
		})
	}
}

// Another network with keys of its own is a world of its own: the same name there is another content.
func TestNetIDsOfTwoNetworks(t *testing.T) {
	const foreign = 0x00020020
	n := start(t, setup{rest: fmt.Sprintf(`
[[networks]]
net_id = %d
naming = "hierarchical"
[[network_keys]]
net_id = %d
id = 0
use = true
key = "%s"
`, foreign, foreign, digits(otherKey[:]))})
	producer, asker := n.peer(), n.peer()
	own, other := content(room, 1, "own"), content(room, 1, "other")
	other.hasNet, other.net = true, foreign
	producer.publishes(room, 1, "own")
	producer.raw(other.bytes(otherKey))
	producer.quiet()
	asker.send(interest(room, newest, 2))
	asker.gets(own)
	there := interest(room, newest, 2)
	there.hasNet, there.net = true, foreign
	asker.raw(there.bytes(otherKey))
	asker.key = otherKey
	asker.gets(other)
	asker.key = networkKey
	n.counts("bad_mac", 2, func() { // moved between the networks, in both directions
		there.payload = asking(stamp(), 2)
		asker.raw(there.bytes(networkKey))
		asker.raw(interest(room, newest, 2).bytes(otherKey))
		asker.quiet()
	})
}

// MAC failures have a budget: beyond it a peer's frames are not even verified for the rest of the second, and who has a face
// already does not notice that others fail (P-20).
func TestFailuresOfOneDoNotHinderOthers(t *testing.T) {
	n := start(t, setup{rest: "[limits]\npeer_failures = \"10/s\"\nlistener_failures = \"20/s\"\n"})
	known, stranger := n.peer(), n.peer()
	f := known.publishes(room, 1, "x")
	raw := f.bytes(otherKey)
	before := n.drops()
	for i := range 500 {
		binary.BigEndian.PutUint32(raw[1:], uint32(i)|0x01000000)
		stranger.raw(raw)
		if i%50 == 0 {
			known.send(interest(room, newest, 2))
			known.gets(f)
		}
	}
	stranger.silent(known)
	lost := minus(n.drops(), before)
	delete(lost, "expired")
	if lost["mac_budget"] == 0 || lost["bad_mac"] == 0 || total(lost) != 500 {
		t.Errorf("500 forged frames were counted as %v", lost)
	}
}
