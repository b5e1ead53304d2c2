package forward

import "github.com/zmesh/zmesh/core/drop"

// Refuser is a Link that can say why it took no more of what was sent last: it has a queue, and something holds that up.
type Refuser interface {
	Refusal() drop.Reason
}

// refusal is the reason to count what a link has not taken under.
func refusal(l Link) drop.Reason {
	if r, ok := l.(Refuser); ok {
		return r.Refusal()
	}
	return drop.SendQueue
}

// Drop counts frames that the face's link has let go of: before the node had them, or after it had sent them.
func (f *Face) Drop(why drop.Reason, n int) { f.drops[why].Add(uint64(n)) }

// Drop counts what came from peers that are not faces and was let go of before the node had it.
func (l *Listener) Drop(why drop.Reason, n int) { l.drops[why].Add(uint64(n)) }
