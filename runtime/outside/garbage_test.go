package outside

import (
	"math/rand/v2"
	"testing"
)

// rubbish makes datagrams that no node may take for frames: noise, parts of frames, and frames with flipped bits.
type rubbish struct {
	*rand.Rand
	whole []frame
}

// next gives one more.
func (r rubbish) next() []byte {
	switch r.IntN(3) {
	case 0:
		return r.noise()
	case 1:
		raw := r.frame()
		return raw[:r.IntN(len(raw))]
	}
	return r.flipped(r.frame())
}

func (r rubbish) frame() []byte { return r.whole[r.IntN(len(r.whole))].bytes(networkKey) }

// noise is random bytes, seldom more than a frame may have.
func (r rubbish) noise() []byte {
	size := r.IntN(80)
	switch r.IntN(50) {
	case 0:
		size = r.IntN(9000)
	case 1, 2, 3:
		size = r.IntN(longest + 100)
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	if size > 0 && r.IntN(2) == 0 {
		b[0] &= 0x1F // so that it gets further than its version, and is not of another network
	}
	return b
}

// flipped turns one to eight bits round, each once. What the MAC does not cover stays as it is, but for the version: with
// another TTL a frame is a valid one.
func (r rubbish) flipped(raw []byte) []byte {
	from := 8
	if raw[0]&0x20 != 0 {
		from += 32
	}
	for _, i := range r.Perm(8*len(raw) - from)[:1+r.IntN(8)] {
		at := from + i
		raw[at/8] ^= 0x80 >> (at % 8)
	}
	if r.IntN(8) == 0 {
		raw[0] ^= byte(1+r.IntN(3)) << 6
	}
	return raw
}

// Whatever is thrown at a node, it neither falls nor answers, counts each datagram under a reason, believes nothing of it, and
// goes on serving others; with the budget for failures (P-20) as with every frame verified.
func TestTwentyThousandDatagramsOfGarbage(t *testing.T) {
	t.Parallel()
	const sent, window = 20_000, 40 // a window is far below what the kernel's buffer holds
	for what, limits := range map[string]string{"verified": patient, "within the budget": ""} {
		t.Run(what, func(t *testing.T) {
			n := start(t, setup{rest: limits})
			known, stranger, other := n.peer(), n.peer(), n.peer()
			f := known.publishes(room, 1, "x")
			other.quiet()
			before, tables, faces := n.drops(), n.host.Status().Tables, n.host.Status().Faces
			r := rubbish{rand.New(rand.NewPCG(1, 2)), samples()}
			for i := range sent {
				from := stranger
				if i%2 == 0 {
					from = known
				}
				from.raw(r.next())
				if i%window == window-1 {
					other.quiet()
				}
			}
			stranger.silent(other)
			known.silent(other)
			checkRubbish(t, n, before, sent)
			if now := n.host.Status(); now.Tables != tables || now.Faces != faces || now.Store.Names != 1 {
				t.Errorf("something was believed: before %+v and %d faces, now %+v", tables, faces, now)
			}
			other.send(interest(room, newest, 2))
			other.gets(f)
			late := n.peer()
			eventually(t, "a newcomer is served", func() bool {
				late.send(interest(room, newest, 2))
				got, _, ok := late.receive(here)
				return ok && same(got, f)
			})
		})
	}
}

func checkRubbish(t *testing.T, n *node, before map[string]uint64, sent uint64) {
	t.Helper()
	lost := minus(n.drops(), before)
	delete(lost, "expired") // the markers
	if got := total(lost); got != sent {
		t.Errorf("of %d datagrams %d were counted: %v", sent, got, lost)
	}
	for _, reason := range []string{"short", "long", "bad_mac", "version", "foreign_network", "unknown_key", "interest_length"} {
		if lost[reason] == 0 {
			t.Errorf("none was counted as %s, so the garbage is not what it should be: %v", reason, lost)
		}
	}
	t.Log(lost)
}
