package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/table"
	"github.com/zmesh/zmesh/core/wire"
)

// longestRepeat bounds for how long a frame is held.
const longestRepeat = 10 * time.Second

// repeats are the frames that wait to be repeated on the broadcast face that they came from: at most Limits.HeldFrames of a node. One
// that is heard there again before its time is not repeated: another node did it.
type repeats struct {
	frames *table.Slab[heldFrame]
	index  *table.Map[repeatKey, int32]
	done   *table.Seen // what was repeated, or heard again: not once more for 4 s, as P-2a has it for Interests
	spare  [][]byte    // buffers, at most as many as the limit
}

// repeatKey is a frame on a face. Equal bodies have equal MACs, whatever their TTL.
type repeatKey struct {
	name name.Key
	face FaceID
	seq  uint32 // bits 23:0, and above them the packet type
	mac  [wire.MACSize]byte
}

type heldFrame struct {
	key   repeatKey
	raw   []byte
	timer table.TimerID
}

func newRepeats(seed table.Seed, limit int) repeats {
	return repeats{
		frames: table.NewSlab[heldFrame](),
		index: table.NewMap[repeatKey, int32](func(k repeatKey) uint64 {
			return seed.Key(k.name, uint64(k.face)<<32|uint64(k.seq))
		}),
		done: table.NewSeen(seed, 4*limit, 0),
	}
}

// seen is the key under which a frame is remembered once it is done: the MAC stands where an Interest has its timestamp.
func (k *repeatKey) seen() table.SeenKey {
	asked := wire.Asked{1, byte(k.seq >> 24), k.mac[0], k.mac[1], k.mac[2], k.mac[3]}
	return table.SeenKey{Name: k.name, Seq: k.seq & wire.SeqSubscribe, Asked: asked.Bits()}
}

func makeRepeatKey(k name.Key, seq uint32, t wire.Type, mac []byte, face FaceID) repeatKey {
	return repeatKey{name: k, face: face, seq: seq | uint32(t)<<24, mac: [wire.MACSize]byte(mac)}
}

// repeatInterest holds an asker's Interest to be repeated where it came from. The face counts as asked from now on: what another node's repeat
// brings is as welcome as what ours does.
func (w *Worker) repeatInterest(e *table.Entry, in *table.In, delay time.Duration) {
	f := w.usable(in.Face)
	if f == nil || !f.cfg.Broadcast || in.Public {
		w.stats.Ignored++
		return
	}
	raw := w.relayInterest(e, in, f)
	key := makeRepeatKey(e.Key.Name, e.Key.Seq, wire.Interest, raw[len(raw)-wire.MACSize:], f.id)
	if !w.holdRepeat(key, raw, f, delay) {
		return
	}
	in.Sent = true
	w.seen.MarkSent(w.now.Mono, table.SeenKey{Name: e.Key.Name, Seq: e.Key.Seq, Asked: in.Asked.Bits()}, f.id) // its copies are loops (P-2a)
	w.record(e, in, f)
}

// repeatContent holds a Content to be repeated where it came from.
func (w *Worker) repeatContent(r *received, delay time.Duration) {
	f := r.face
	if !f.cfg.Broadcast || r.TTL == 0 {
		w.stats.Ignored++
		return
	}
	c := copies{w: w, key: r.key, body: r.Body, ttl: r.TTL - 1, reserved: r.Raw[0] & wire.ReservedFHDR}
	w.holdRepeat(makeRepeatKey(r.key, r.Seq, wire.Content, r.MAC(), f.id), c.of(f, false), f, delay)
}

// holdRepeat keeps a copy of a frame until its time. It tells whether the frame is held, or was repeated already.
func (w *Worker) holdRepeat(key repeatKey, raw []byte, f *Face, delay time.Duration) bool {
	h := &w.repeats
	if _, held := h.index.Get(key); held {
		return true
	}
	if h.frames.Len() >= w.lim.HeldFrames {
		f.drop(drop.HeldFrames)
		return false
	}
	if !h.done.MarkSent(w.now.Mono, key.seen(), f.id) {
		w.stats.Suppressed++
		return true
	}
	var buf []byte
	if n := len(h.spare); n > 0 {
		buf, h.spare = h.spare[n-1], h.spare[:n-1]
	}
	id := h.frames.Alloc()
	timer := w.wheel.Add(w.now.Mono+min(max(delay, 0), longestRepeat), timerRepeat, uint32(id))
	*h.frames.At(id) = heldFrame{key, append(buf[:0], raw...), timer}
	h.index.Put(key, id)
	return true
}

// heardAgain takes back the repeat of a frame that another node has repeated.
func (w *Worker) heardAgain(r *received) {
	if id, held := w.repeats.index.Get(makeRepeatKey(r.key, r.Seq, r.Type, r.MAC(), r.face.id)); held {
		w.wheel.Cancel(w.repeats.frames.At(id).timer)
		w.repeats.free(id)
		w.stats.RepeatsSpared++
	}
}

// free lets go of a frame. Its buffer is good until the next one is held.
func (h *repeats) free(id int32) (key repeatKey, raw []byte) {
	held := h.frames.At(id)
	key, raw = held.key, held.raw
	h.index.Delete(key)
	h.frames.Free(id)
	h.spare = append(h.spare, raw)
	return key, raw
}

// repeatDue repeats a frame, unless it is an Interest that is answered by now.
func (w *Worker) repeatDue(id int32) {
	key, raw := w.repeats.free(id)
	f := w.face(key.face)
	switch {
	case f == nil:
	case wire.Type(key.seq>>24) == wire.Interest && !w.stillWanted(&key):
		w.stats.RepeatsSpared++
	case w.send(f, append(w.out.take(len(raw)), raw...)):
		w.stats.Repeated++
	}
}

// stillWanted tells whether an Interest that was held still waits for an answer.
func (w *Worker) stillWanted(key *repeatKey) bool {
	e := w.pit.Find(table.PITKey{Name: key.name, Seq: key.seq & wire.SeqSubscribe})
	return e != nil && e.Out(key.face) != nil
}
