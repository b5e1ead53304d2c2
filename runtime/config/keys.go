package config

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/zmesh/zmesh/core/wire"
)

// Bits of a mode that files with keys must not have.
const (
	worldBits  = 0o007 // of key files: a service's group may read them
	othersBits = 0o077 // of a streams file, which is 0600
)

// hexSecret reads a key from key, or from the file that key_file names. Nothing of it is ever in a mistake. sizes are the lengths
// in bytes that are right.
func (t *table) hexSecret(key string, sizes ...int) (s Secret, ok bool) {
	raw, inline := t.take(key)
	inFile := t.has(key + "_file")
	switch {
	case inline && inFile:
		t.wrong(key, "%s and %s_file both give the key: keep one", key, key)
		return s, false
	case inline:
		text, isText := raw.(string)
		if !isText {
			t.wrong(key, "%s is no text: write the hex digits in quotes", key)
			return s, false
		}
		return t.unhex(t.position(key), text, key, sizes)
	case inFile:
		return t.secretFile(key, sizes)
	}
	return s, false
}

// secretFile reads a key from the file that KEY_file names.
func (t *table) secretFile(key string, sizes []int) (Secret, bool) {
	text, ok := t.privateFile(key+"_file", worldBits)
	if !ok {
		return Secret{}, false
	}
	path := t.file.loader.resolve(t.text(key+"_file", ""))
	return t.unhex(Position{File: path, Line: 1}, strings.TrimSpace(text), "the key", sizes)
}

// privateFile reads a file with something secret in it.
func (t *table) privateFile(key string, forbidden os.FileMode) (text string, ok bool) {
	name, ok := typed[string](t, key, "the path of a file in quotes")
	if !ok {
		return "", false
	}
	l, path := t.file.loader, t.file.loader.resolve(name)
	text, ok = l.read(path, t.position(key), key)
	if ok {
		l.isPrivate(path, t.position(key), key, forbidden)
	}
	return text, ok
}

// unhex reads hex digits.
func (t *table) unhex(at Position, text, what string, sizes []int) (Secret, bool) {
	b, err := hex.DecodeString(text)
	for _, n := range sizes {
		if err == nil && len(b) == n {
			return Secret{bytes: b}, true
		}
	}
	digits := make([]string, len(sizes))
	for i, n := range sizes {
		digits[i] = fmt.Sprint(2 * n)
	}
	want := strings.Join(digits, " or ")
	if err != nil {
		t.file.loader.wrong(at, "%s is not hex: write %s digits 0-9, a-f", what, want)
	} else {
		t.file.loader.wrong(at, "%s has %d hex digits: write %s", what, len(text), want)
	}
	return Secret{}, false
}

// readKeys reads [[network_keys]] of all networks.
func (l *loader) readKeys(root *table) {
	for _, t := range root.tables("network_keys") {
		l.readKey(t)
	}
	for i := range l.cfg.Networks {
		l.checkUse(root, &l.cfg.Networks[i])
	}
	l.checkOwners()
}

// noID stands for an id that is not there or wrong, so that it is not taken for one that is there twice.
const noID = 0xFF

// readKey reads one of [[network_keys]]. Its net_id is that of one of [[networks]]; without it the key is of the node's own.
func (l *loader) readKey(t *table) {
	k := NetworkKey{Use: t.flag("use", false), Pos: t.here()}
	k.ID = uint8(t.whole("id", 0, wire.NetworkKeys-1, noID))
	if !t.has("id") {
		t.wrongAt(t.at, "%s has no id: add one of 0 to 3, as FCTRL has two bits for it", t.title)
	}
	secret, ok := t.hexSecret("key", wire.KeySize)
	if !ok && !t.has("key") && !t.has("key_file") {
		t.wrongAt(t.at, "%s has no key: add key or key_file, 32 hex digits", t.title)
	}
	k.Key = secret
	if ok && secret.Equal(Secret{bytes: wire.PublicKey[:]}) {
		t.wrong("key", "this is the public key, which everybody has: make one of your own, such as with openssl rand -hex 16")
	}
	l.addKey(t, k)
	t.end()
}

// addKey puts a key into its network.
func (l *loader) addKey(t *table, k NetworkKey) {
	netID := localNet(t.id("net_id", 0, l.cfg.Node.NetID))
	if netID == 0 {
		netID = l.cfg.Node.NetID
	}
	n := l.network(netID)
	switch {
	case n == nil:
		t.wrong("net_id", "there is no network with Net ID %#08x: add it under [[networks]]", netID)
		return
	case len(n.Keys) == wire.NetworkKeys:
		t.wrongAt(t.at, "%s: a network has at most four keys, as FCTRL has two bits for the id: remove one", t.title)
		return
	}
	for _, other := range n.Keys {
		if other.ID == k.ID && k.ID != noID {
			t.wrong("id", "network key %d is there already, at line %d: choose another of 0 to 3", k.ID, other.Pos.Line)
		}
	}
	n.Keys = append(n.Keys, k)
}

// checkUse demands exactly one key to sign with.
func (l *loader) checkUse(root *table, n *Network) {
	var use []NetworkKey
	for _, k := range n.Keys {
		if k.Use {
			use = append(use, k)
		}
	}
	at := root.place("")
	if len(n.Keys) > 0 {
		at = n.Keys[0].Pos
	}
	switch {
	case len(n.Keys) == 0:
		l.wrong(at, "%s has no key: add a [[network_keys]] with id, use = true and key", n.title())
	case len(use) == 0:
		l.wrong(at, "%s has no key to sign with: write use = true in one of its [[network_keys]]", n.title())
	case len(use) > 1:
		l.wrong(use[1].Pos, "%s has %d keys with use = true: keep it in one, the others are for receiving", n.title(), len(use))
	}
}

// title names a network in a sentence.
func (n *Network) title() string {
	if n.NetID == 0 {
		return "the local network"
	}
	return fmt.Sprintf("the network with Net ID %#08x", n.NetID)
}

// checkOwners refuses one key under two Net IDs: the Net ID is outside the MAC, so frames could be moved between them (P-19).
func (l *loader) checkOwners() {
	for i := range l.cfg.Networks {
		for j := range l.cfg.Networks[:i] {
			l.checkPair(&l.cfg.Networks[j], &l.cfg.Networks[i])
		}
	}
}

func (l *loader) checkPair(a, b *Network) {
	for _, k := range b.Keys {
		for _, other := range a.Keys {
			if k.Key.Len() > 0 && k.Key.Equal(other.Key) {
				l.wrong(k.Pos, "this key is also network key %d of %s (line %d), and frames could be moved between the two networks (P-19): "+
					"give each keys of its own", other.ID, a.title(), other.Pos.Line)
			}
		}
	}
}

// isNetworkKey tells whether a content key is one of the network keys too: then every forwarder could read the content.
func (l *loader) isNetworkKey(s Secret) (k NetworkKey, is bool) {
	for i := range l.cfg.Networks {
		for _, k := range l.cfg.Networks[i].Keys {
			if s.Len() > 0 && s.Equal(k.Key) {
				return k, true
			}
		}
	}
	return k, false
}
