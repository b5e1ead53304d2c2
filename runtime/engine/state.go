package engine

import (
	"bytes"
	"sync"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// state is the keys and values of a plugin with the capability "state". They are typed by the state schema that the manifest names:
// a version with another schema begins with none.
type state struct {
	mu     sync.Mutex
	schema string
	used   int // bytes
	values map[string][]byte
}

// pairCost is what a pair counts for beside its bytes.
const pairCost = 32

// SetSchema says of which schema the values are from now on. Those of another one are dropped; it tells how many.
func (a *Account) SetSchema(schema string) (dropped int) {
	s := &a.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schema != schema {
		dropped = len(s.values)
		s.values, s.used = nil, 0
	}
	s.schema = schema
	return dropped
}

// get copies as much of a value as there is room for, and gives its size.
func (a *Account) get(schema string, key, to []byte) (size int, ok bool) {
	s := &a.state
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[string(key)]
	if !ok || s.schema != schema {
		return 0, false
	}
	copy(to, v)
	return len(v), true
}

// set keeps a copy of a value, or removes the key if it is empty. It tells whether it could, and counts if not.
func (a *Account) set(schema string, key, value []byte) bool {
	s := &a.state
	s.mu.Lock()
	defer s.mu.Unlock()
	old, had := s.values[string(key)]
	used := s.used
	if had {
		used -= len(key) + len(old) + pairCost
	}
	if len(value) > 0 {
		used += len(key) + len(value) + pairCost
	}
	if s.schema != schema || len(key) == 0 || len(key) > abi.MaxStateKey || len(value) > abi.MaxStateValue || used > a.limits.StateBytes {
		a.Hit(LimitState)
		return false
	}
	s.used = used
	switch {
	case len(value) == 0:
		delete(s.values, string(key))
	case had && len(old) == len(value):
		copy(old, value)
	default:
		if s.values == nil {
			s.values = map[string][]byte{}
		}
		s.values[string(key)] = bytes.Clone(value)
	}
	return true
}

// StateSize is how many keys there are, and what they take in bytes.
func (a *Account) StateSize() (keys, used int) {
	a.state.mu.Lock()
	defer a.state.mu.Unlock()
	return len(a.state.values), a.state.used
}
