package config

import (
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/wire"
)

// Keyring makes the keyring of all networks. Load has checked what can be wrong with it.
func (c *Config) Keyring() (*wire.Keyring, error) {
	nets := make([]wire.Network, len(c.Networks))
	for i := range c.Networks {
		nets[i] = c.Networks[i].Wire()
	}
	return wire.NewKeyring(nets...)
}

// Wire is the network as the codec has it.
func (n *Network) Wire() wire.Network {
	out := wire.Network{NetID: n.NetID}
	for _, k := range n.Keys {
		var key [wire.KeySize]byte
		copy(key[:], k.Key.bytes)
		out.Keys[k.ID] = &key
		if k.Use {
			out.Use = k.ID
		}
	}
	return out
}

// Naming gives the naming of each network, by the keyring's index.
func (c *Config) Naming() []*name.Network {
	list := make([]*name.Network, len(c.Networks))
	for i := range c.Networks {
		list[i] = c.Networks[i].Naming
	}
	return list
}

// Own is the naming of the node's own network: what prefixes and URIs of the configuration are read with.
func (c *Config) Own() *name.Network { return c.Networks[0].Naming }

// FaceConfig is what the forwarder must know of a face; of a listener it is the policy of its on-demand faces.
func (c *Config) FaceConfig(f *Face) forward.FaceConfig {
	return forward.FaceConfig{
		Name: f.Name, MTU: f.MTU, NetIDOut: f.NetIDField, Cost: f.Cost,
		Publish: name.NewPrefixSet(f.Publish...), Ask: name.NewPrefixSet(f.Ask...), AskSome: f.AskSome,
		Announce: name.NewPrefixSet(f.Announce...),
		Proxy:    f.Proxy, Hello: f.Hello, Clock: f.Clock, Share: f.Share,
	}
}

// StoreConfig is the configuration of one worker's shard: sizes of the node are divided by the workers. Seed, time, Backend
// and calls back are the host's.
func (c *Config) StoreConfig() store.Config {
	workers := max(c.Node.Workers, 1)
	hours := max(1, int64(c.Store.LongestRetention()/time.Hour))
	sc := store.Config{
		LogBytes: c.Store.Memory / workers, MaxNames: max(1, c.Store.MaxNames/workers),
		Retention: c.Store.Retention, Class: c.Store.Durability, MaxRatePerName: c.Store.MaxRatePerName,
		Rules: c.Store.Rules, Sorted: c.sorted(),
	}
	if c.Store.OnDisk() {
		sc.HourBytes = max(1, c.Store.MaxSize/hours/int64(workers))
	}
	return sc
}

// sorted tells whether any network has wildcards (P-14).
func (c *Config) sorted() bool {
	for i := range c.Networks {
		if c.Networks[i].Naming.Naming() == name.Hierarchical {
			return true
		}
	}
	return false
}

// LongestRetention is the longest of the default and all rules: what the length of the store's directories comes from.
func (s *Store) LongestRetention() time.Duration {
	longest := s.Retention
	for i := range s.Rules {
		longest = max(longest, s.Rules[i].Retention)
	}
	return longest
}

// OnDisk tells whether anything is kept beyond memory, so that the store needs a folder.
func (s *Store) OnDisk() bool {
	if s.Durability > store.Memory {
		return true
	}
	for i := range s.Rules {
		if s.Rules[i].Class > store.Memory {
			return true
		}
	}
	return false
}

// Face finds a face by name; nil if there is none.
func (c *Config) Face(name string) *Face {
	for i := range c.Faces {
		if c.Faces[i].Name == name {
			return &c.Faces[i]
		}
	}
	return nil
}

// Plugin finds a plugin by name; nil if there is none.
func (c *Config) Plugin(name string) *Plugin {
	for i := range c.Plugins {
		if c.Plugins[i].Name == name {
			return &c.Plugins[i]
		}
	}
	return nil
}

// Stream finds what is known of a name; nil if there is nothing.
func (c *Config) Stream(n name.Name) *Stream {
	for i := range c.Streams {
		if c.Streams[i].Name == n {
			return &c.Streams[i]
		}
	}
	return nil
}

// Name reads what a person writes for a name: the URI of a stream, which may have a name of its own, or what the node's
// network makes of the text.
func (c *Config) Name(text string) (name.Name, error) {
	for i := range c.Streams {
		if text != "" && c.Streams[i].URI == text {
			return c.Streams[i].Name, nil
		}
	}
	return c.Own().Parse(text)
}

// URI is the inverse of Name; ok is false if none is known.
func (c *Config) URI(n name.Name) (uri string, ok bool) {
	if s := c.Stream(n); s != nil && s.URI != "" {
		return s.URI, true
	}
	return c.Own().URI(n)
}

// Class is how well the node keeps the contents of a name: the rule with the longest prefix says it, alone.
func (s *Store) Class(n name.Name) store.Class {
	class, longest := s.Durability, -1
	for i := range s.Rules {
		r := &s.Rules[i]
		p := name.MakePrefix(r.Prefix, uint8(r.Length))
		if r.Length > longest && p.Contains(n) {
			class, longest = r.Class, r.Length
		}
	}
	if class == store.Inherit {
		class = s.Durability
	}
	return class
}
