package forward

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// Store is what a worker needs of its part of the Content Store. All calls are made under the worker's mutex and never wait
// for a disk. Bodies are Content Name … MAC, valid until the next call; what Put and Known point to is until the next
// Put or Known. *store.Shard is one.
type Store interface {
	Put(p *store.Put) *store.Outcome
	Coming(k name.Key)            // a name will be asked for soon, and before that in Ahead: a hint
	Ahead(k name.Key, seq uint32) // a content will be asked for or put soon: a hint
	Exact(k name.Key, seq uint32) (body []byte, st store.Status)
	Newest(k name.Key) (n store.Newest, st store.Status)
	Known(k name.Key) (known *store.Known, ok bool)
	Match(p store.Pattern, after name.Key, limit int, yield func(name.Key) bool) (next name.Key, more bool)
	Fetch(k name.Key, seq uint32) bool // starts a read beside the path; false if it cannot
	Take(yield func(store.Result)) (more bool)
	Advance(now time.Duration, wall int64)
}

// noStore is the store of a node that keeps nothing.
type noStore struct {
	out   store.Outcome
	known store.Known
}

func (s *noStore) Put(*store.Put) *store.Outcome {
	s.out = store.Outcome{Verdict: store.NotKept, Newest: true}
	return &s.out
}
func (*noStore) Coming(name.Key)                                  {}
func (*noStore) Ahead(name.Key, uint32)                           {}
func (*noStore) Exact(name.Key, uint32) ([]byte, store.Status)    { return nil, store.Miss }
func (*noStore) Newest(name.Key) (n store.Newest, _ store.Status) { return n, store.Miss }
func (s *noStore) Known(name.Key) (k *store.Known, ok bool)       { return &s.known, false }
func (*noStore) Match(store.Pattern, name.Key, int, func(name.Key) bool) (name.Key, bool) {
	return 0, false
}
func (*noStore) Fetch(name.Key, uint32) bool  { return false }
func (*noStore) Take(func(store.Result)) bool { return false }
func (*noStore) Advance(time.Duration, int64) {}
