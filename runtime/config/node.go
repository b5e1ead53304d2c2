package config

import (
	"hash/fnv"

	"github.com/zmesh/zmesh/core/name"
)

// readNode reads what in [node] needs no names; the rest of it is read by readNetworks and readOnboarding.
func (l *loader) readNode(t *table) {
	n := &l.cfg.Node
	n.Name = t.label("name")
	n.ID = t.id("id", 1, idOf(n.Name))
	n.NetID = localNet(t.id("net_id", 0, 0))
	n.DataDir = l.resolve(t.text("data_dir", defaultDataDir))
	l.isFolder(n.DataDir, t.position("data_dir"), "data_dir")
	n.Workers = int(t.whole("workers", 1, maxWorkers, defaultWorkers))
}

// idOf makes a node id of its name: FNV-1a-32, as names of the public record use that hash; 0 means none, so it becomes 1.
func idOf(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return max(h.Sum32(), 1)
}

// localNet is P-19: the Net IDs 0 and 1 are the local network, and go without the field.
func localNet(id uint32) uint32 {
	if id <= 1 {
		return 0
	}
	return id
}

// readNetworks builds the node's own network and those of [[networks]], and reads the keys of all.
func (l *loader) readNetworks(root, node *table, streams []*table) {
	own := &Network{NetID: l.cfg.Node.NetID, Settings: l.naming(node)}
	l.hashed = own.Settings.Naming == name.Hashed
	if l.hashed {
		own.Settings.URIs = l.knownURIs(streams)
	}
	l.build(own, node)
	l.own = own.Naming
	l.cfg.Networks = []Network{*own}
	for _, t := range root.tables("networks") {
		l.readNetwork(t)
	}
	l.readKeys(root)
}

// readNetwork reads one of [[networks]]: another network that this node has keys for (P-19).
func (l *loader) readNetwork(t *table) {
	n := Network{NetID: t.id("net_id", 2, 0)}
	if !t.has("net_id") {
		t.wrongAt(t.at, "%s has no net_id: add the Net ID of the other network", t.title)
	}
	n.Settings = l.naming(t)
	l.build(&n, t)
	t.end()
	switch {
	case n.NetID == 0: // said already
	case l.network(n.NetID) != nil:
		t.wrong("net_id", "Net ID %#08x stands for a network already: give each its own (P-19)", n.NetID)
	default:
		l.cfg.Networks = append(l.cfg.Networks, n)
	}
}

// network finds a network; nil if there is none.
func (l *loader) network(netID uint32) *Network {
	for i := range l.cfg.Networks {
		if l.cfg.Networks[i].NetID == netID {
			return &l.cfg.Networks[i]
		}
	}
	return nil
}

// naming reads how a network makes names (P-14).
func (l *loader) naming(t *table) name.Settings {
	s := name.Settings{Wildcard: l.cfg.Limits.Wildcard}
	if t.choice("naming", name.Hashed.String(), name.Hashed.String(), name.Hierarchical.String()) == name.Hierarchical.String() {
		s.Naming = name.Hierarchical
	}
	s.Levels = l.names(t, s.Naming)
	s.Management = l.nameList(t, "management", s.Naming)
	s.NeverCached = l.nameList(t, "never_cached", s.Naming)
	return s
}

// nameList reads a list of URIs that says in a hashed network what byte 0 says in a hierarchical one.
func (l *loader) nameList(t *table, key string, naming name.Naming) (list []string) {
	texts, given := t.texts(key)
	if given && naming == name.Hierarchical {
		t.wrong(key, "%s is for hashed networks; in a hierarchical one byte 0 of the name says it (P-14): remove the list", key)
		return nil
	}
	plain, _ := name.NewNetwork(name.Settings{})
	for _, text := range texts {
		if _, err := plain.Parse(text.text); err != nil {
			t.wrongAt(text.at, "%s: %v", key, err)
			continue
		}
		list = append(list, text.text)
	}
	return list
}

// knownURIs are those of streams, which a hashed network can then give back for a name. A stream whose name is not the hash of
// its URI is left out, as are those that readStreams refuses.
func (l *loader) knownURIs(streams []*table) (list []string) {
	plain, _ := name.NewNetwork(name.Settings{})
	seen := map[name.Name]bool{}
	for _, t := range streams {
		uri, isText := t.m["uri"].(string)
		_, named := t.m["name"]
		n, err := plain.Parse(uri)
		if isText && !named && err == nil && !seen[n] {
			seen[n] = true
			list = append(list, uri)
		}
	}
	return list
}

// build makes the naming of a network. Mistakes of its table have lines of their own.
func (l *loader) build(n *Network, t *table) {
	naming, err := name.NewNetwork(n.Settings)
	if mistakes, ok := err.(name.Mistakes); ok {
		l.noteNames(mistakes, l.resolve(t.text("names", "")))
		return
	}
	if err != nil {
		t.wrongAt(t.at, "%s: %v", t.title, err)
		return
	}
	n.Naming = naming
}

func (l *loader) noteNames(list name.Mistakes, path string) {
	for _, m := range list {
		line := max(m.Line, 1)
		m.Line = 0
		l.wrong(Position{File: path, Line: line}, "%s", m.Error())
	}
}

// names reads the deployment's table: one [[levels]] for each byte, in each a line for each verb/noun pair.
func (l *loader) names(t *table, naming name.Naming) []name.Level {
	text, ok := typed[string](t, "names", "the path of the names file")
	if !ok {
		return nil
	}
	if naming == name.Hashed {
		t.wrong("names", `names is the table of a hierarchical network, and this one is hashed (P-14): add naming = "hierarchical", or remove names`)
		return nil
	}
	path := l.resolve(text)
	content, ok := l.read(path, t.position("names"), "the names file")
	if !ok {
		return nil
	}
	root, ok := l.parse(path, content)
	if !ok {
		return nil
	}
	var levels []name.Level
	for _, level := range root.tables("levels") {
		levels = append(levels, l.level(level))
	}
	root.end()
	return levels
}

// level reads one [[levels]].
func (l *loader) level(t *table) name.Level {
	pairs := map[string]int64{}
	for pair := range t.m {
		if b, ok := typed[int64](t, pair, "the byte that it stands for, such as 0x01"); ok {
			pairs[pair] = b
		}
	}
	return name.LevelOf(pairs, func(pair string) int { return t.line(t.at.key(pair)) })
}

// readOnboarding reads the names that are answered under the public key (P-9).
func (l *loader) readOnboarding(t *table) {
	texts, _ := t.texts("onboarding")
	for _, text := range texts {
		if l.own == nil {
			return
		}
		n, err := l.own.Parse(text.text)
		switch {
		case err != nil:
			t.wrongAt(text.at, "onboarding: %v", err)
		case l.own.IsWildcard(n):
			t.wrongAt(text.at, "onboarding: %q holds a wildcard: list each name (P-9)", text.text)
		case !l.own.Management(n):
			t.wrongAt(text.at, "onboarding: %q is no management name, and only these are answered under the public key (P-9): %s",
				text.text, l.managementHint())
		default:
			l.cfg.Node.Onboarding = append(l.cfg.Node.Onboarding, n)
		}
	}
}

// managementHint says how a name becomes one of device management.
func (l *loader) managementHint() string {
	if l.hashed {
		return "add it to management"
	}
	return "byte 0 of it must be 0xFE or 0xFD"
}
