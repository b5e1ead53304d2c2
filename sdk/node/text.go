package node

import (
	"encoding/hex"
	"fmt"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// ParseConfig makes the Config of a node that has one network key, with id 0, in the local network. The key is 32 hex digits.
func ParseConfig(networkKey string) (c Config, err error) {
	b, err := hex.DecodeString(networkKey)
	if err != nil || len(b) != wire.KeySize {
		return c, fmt.Errorf("network key of %d characters: want %d hex digits", len(networkKey), 2*wire.KeySize)
	}
	c.Network.Keys[0] = (*[wire.KeySize]byte)(b)
	return c, nil
}

// ParseName reads a name: 12 hex digits, or a URI, which is hashed (P-14). Who has a hierarchical network makes names with core/name and the
// deployment's table.
func ParseName(text string) (name.Name, error) {
	hashed, err := name.NewNetwork(name.Settings{})
	if err != nil {
		return name.Name{}, err
	}
	return hashed.Parse(text)
}

// ParseStream is NewStream from texts, as they stand in a configuration: name or URI, method, and key and IV in hex digits.
func ParseStream(nm, method, key, iv string) (*Stream, error) {
	n, err := ParseName(nm)
	if err != nil {
		return nil, err
	}
	m, err := ParseMethod(method)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", nm, err)
	}
	k, errKey := hex.DecodeString(key)
	v, errIV := hex.DecodeString(iv)
	if errKey != nil || errIV != nil { // what is wrong with a key is not said: it may end in a log
		return nil, fmt.Errorf("stream %s: key and IV are written in hex digits", nm)
	}
	return NewStream(n, m, k, v)
}
