package name

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Naming is how a network makes names of URIs (P-14). On the wire the two cannot be told apart, so it is a setting.
type Naming uint8

// The two namings.
const (
	Hashed       Naming = iota // low 48 bits of FNV-1a-64 of the URI; the default
	Hierarchical               // one byte a level, from the deployment's table
)

// String is the value of the setting.
func (n Naming) String() string {
	if n == Hierarchical {
		return "hierarchical"
	}
	return "hashed"
}

// Settings describe the naming of one network. The zero value is a hashed network that knows no URI.
type Settings struct {
	Naming Naming

	// Levels is the deployment's table, for hierarchical networks. Without one only hex names can be written.
	Levels []Level

	// Wildcard is the byte that matches any other at levels 1 to 5 of a hierarchical name (P-5). 0 is DefaultWildcard.
	Wildcard byte

	// URIs are those that a hashed network can give back for a name: a hash has no inverse.
	URIs []string

	// Management and NeverCached name what byte 0 says in a hierarchical network, for hashed ones (P-14). Each entry is a
	// URI or 12 hex digits. URIs in them count as known.
	Management  []string
	NeverCached []string
}

// Network is the naming of one network: what its names mean. It is immutable, so goroutines may share it.
type Network struct {
	naming   Naming
	wildcard byte
	table    *table           // hierarchical
	uris     map[Name]string  // hashed: known URIs
	classes  map[uint64]Class // hashed: names that are not User, by Uint48 (a number hashes faster than an array)
}

// NewNetwork checks the settings. A table with mistakes gives an error of type [Mistakes], which holds all of them.
func NewNetwork(s Settings) (*Network, error) {
	w := &Network{naming: s.Naming, wildcard: s.Wildcard}
	if w.wildcard == 0 {
		w.wildcard = DefaultWildcard
	}
	set := w.setLists
	if s.Naming == Hierarchical {
		set = w.setTable
	}
	if err := set(s); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Network) setTable(s Settings) (err error) {
	if len(s.URIs)+len(s.Management)+len(s.NeverCached) > 0 {
		return fmt.Errorf("lists of URIs, management and never-cached names are for hashed networks: this one is hierarchical, " +
			"where the table and byte 0 say it (P-14)")
	}
	w.table, err = newTable(s.Levels, w.wildcard)
	return err
}

func (w *Network) setLists(s Settings) error {
	if len(s.Levels) > 0 {
		return fmt.Errorf("a table of names is for hierarchical networks: this one is hashed (P-14)")
	}
	w.uris = make(map[Name]string)
	w.classes = map[uint64]Class{Hello.Uint48(): Management} // reserved in every network (P-18)
	for _, uri := range s.URIs {
		if _, err := w.learn(uri); err != nil {
			return err
		}
	}
	if err := w.classify(s.Management, Management); err != nil {
		return err
	}
	return w.classify(s.NeverCached, NoCache)
}

// learn parses text and, if it is a URI, remembers it.
func (w *Network) learn(text string) (Name, error) {
	n, err := w.Parse(text)
	if err != nil || isHexName(text) {
		return n, err
	}
	if other, known := w.uris[n]; known && other != text {
		return n, fmt.Errorf("URIs %q and %q have the same hash %s: rename one", other, text, n)
	}
	w.uris[n] = text
	return n, nil
}

func (w *Network) classify(texts []string, c Class) error {
	for _, text := range texts {
		n, err := w.learn(text)
		if err != nil {
			return fmt.Errorf("%s names: %w", c, err)
		}
		if other, listed := w.classes[n.Uint48()]; listed && other != c {
			return fmt.Errorf("name %q is listed both as %s and as %s: keep one", text, other, c)
		}
		w.classes[n.Uint48()] = c
	}
	return nil
}

// Naming tells which of the two this network uses.
func (w *Network) Naming() Naming { return w.naming }

// Parse reads what a person writes for a name: 12 hex digits or a URI; in a hierarchical network either may hold
// wildcards. The error says what would be right.
func (w *Network) Parse(text string) (Name, error) {
	switch {
	case isHexName(text):
		n, err := ParseHex(text)
		if err != nil {
			return n, err
		}
		return n, w.explain(n, true)
	case text == "":
		return Name{}, fmt.Errorf("empty name: write a URI or 12 hex digits")
	case isHex(text):
		return Name{}, fmt.Errorf("name %q has %d hex digits, want 12", text, len(text))
	case strings.HasSuffix(text, "/"):
		return Name{}, fmt.Errorf("URI %q ends in /, which stands for a prefix: a name is wanted here", text)
	case w.naming == Hashed:
		return hashURI(text)
	}
	n, _, err := w.table.parse(text, w.wildcard)
	if err != nil {
		return Name{}, err
	}
	return n, nil
}

// hashURI refuses what a hash cannot express and hashes the rest byte for byte: no slash is added or taken away, because
// other implementations hash the topic as it stands.
func hashURI(uri string) (Name, error) {
	if strings.Contains(uri, "*") {
		return Name{}, fmt.Errorf("URI %q: a hashed network has no wildcards (P-14): name each content, or use hierarchical naming", uri)
	}
	return Hash(uri), nil
}

// explain is flaw as an error.
func (w *Network) explain(n Name, wildcards bool) error {
	if f := w.flaw(n, wildcards); f != sound {
		return fmt.Errorf("name %s cannot exist in a hierarchical network: %s (P-23)", n, flawTexts[f])
	}
	return nil
}

// URI gives a text that [Network.Parse] reads as n. ok is false if there is none: in a hashed network for every URI that
// was not among the settings, in a hierarchical one if the table has no meaning for a byte.
func (w *Network) URI(n Name) (uri string, ok bool) {
	if w.naming == Hashed {
		uri, ok = w.uris[n]
		return uri, ok
	}
	if !w.ValidPattern(n) {
		return "", false
	}
	return w.table.uri(n, w.wildcard)
}

// ParsePrefix reads a prefix as a configuration has it: "" for everything, two hex digits a byte, a URI prefix ending in
// "/", or a whole URI, which is one name. A hashed network has only "", 12 hex digits and whole URIs (P-14).
func (w *Network) ParsePrefix(text string) (Prefix, error) {
	switch {
	case text == "":
		return Prefix{}, nil
	case w.naming == Hashed && (strings.HasSuffix(text, "/") || isHex(text) && len(text) != 2*Size):
		return Prefix{}, fmt.Errorf("prefix %q: a hashed network has no prefixes of 1 to 5 bytes (P-14): "+
			"write \"\" for everything, 12 hex digits, or a whole URI", text)
	case isHex(text):
		return w.hexPrefix(text)
	case strings.HasSuffix(text, "/"):
		return w.uriPrefix(text)
	}
	n, err := w.Parse(text)
	if err != nil {
		return Prefix{}, fmt.Errorf("prefix: %w", err)
	}
	return w.checkPrefix(text, MakePrefix(n, Size))
}

func (w *Network) hexPrefix(text string) (Prefix, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) > Size {
		return Prefix{}, fmt.Errorf("prefix %q has %d hex digits, want an even number up to 12", text, len(text))
	}
	var n Name
	copy(n[:], b)
	return w.checkPrefix(text, Prefix{Len: uint8(len(b)), Name: n})
}

func (w *Network) uriPrefix(text string) (Prefix, error) {
	n, depth, err := w.table.parse(strings.TrimSuffix(text, "/"), w.wildcard)
	if err != nil {
		return Prefix{}, fmt.Errorf("prefix: %w", err)
	}
	return w.checkPrefix(text, Prefix{Len: uint8(depth), Name: n})
}

// checkPrefix refuses what no name can start with.
func (w *Network) checkPrefix(text string, p Prefix) (Prefix, error) {
	if err := w.explain(p.Name, false); err != nil {
		return Prefix{}, fmt.Errorf("prefix %q: %w", text, err)
	}
	return p, nil
}

// isHexName tells whether text is 12 hex digits, which is a name as it stands and never a URI.
func isHexName(text string) bool { return len(text) == 2*Size && isHex(text) }

// isHex tells whether text is hex digits only. Such a text is never taken for a URI: a mistyped name would else be hashed.
func isHex(text string) bool {
	return text != "" && strings.Trim(text, "0123456789abcdefABCDEF") == ""
}
