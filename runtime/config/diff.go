package config

import (
	"errors"
	"fmt"
	"strings"
)

// Op is what became of an entry.
type Op string

// The ops.
const (
	Added   Op = "added"
	Removed Op = "removed"
	Changed Op = "changed"
)

// Change is one difference between two configurations.
type Change struct {
	Section string // as in the file: "faces", "store.rules", "limits"
	Key     string // of a list, the entry: a face's name, a prefix in hex, "PREFIX by FACE"; of a table, the setting
	Op      Op     // of a table always Changed
	What    string // one sentence for the operator, never with a key in it
	Restart bool   // it cannot be applied to a running node
}

// ErrRestart says that some changes cannot be applied to a running node.
var ErrRestart = errors.New("config: these changes need a restart, so none was applied")

// Diff compares two configurations, in the order of the surface page. An entry of a list is one change, with all that changed
// in it; a table is one for each setting. If some need a restart, the error wraps [ErrRestart] and has a line for each of
// them; all changes are given all the same. What a plugin's file holds is not compared, only where it is.
func Diff(old, new *Config) ([]Change, error) {
	was, is := index(entries(old)), index(entries(new))
	var list []Change
	for _, id := range union(entries(old), entries(new)) {
		list = append(list, compare(was[id], is[id])...)
	}
	return list, restarts(list)
}

// restarts is the error about the changes that need one; nil if there are none.
func restarts(list []Change) error {
	var lines []string
	for _, c := range list {
		if c.Restart {
			lines = append(lines, c.What)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%s", ErrRestart, strings.Join(lines, "\n"))
}

// index finds entries by their place.
func index(list []entry) map[place]*entry {
	m := make(map[place]*entry, len(list))
	for i := range list {
		m[list[i].place] = &list[i]
	}
	return m
}

// union is the places of both, section by section; in a section those that were there come first.
func union(old, new []entry) (list []place) {
	seen := map[place]bool{}
	for _, section := range sections {
		for _, e := range append(old[:len(old):len(old)], new...) {
			if e.section == section.name && !seen[e.place] {
				seen[e.place] = true
				list = append(list, e.place)
			}
		}
	}
	return list
}

// compare gives what changed in one entry; was or is may be nil.
func compare(was, is *entry) []Change {
	switch {
	case was == nil:
		return []Change{is.change(Added, "added"+is.summary())}
	case is == nil:
		return []Change{was.change(Removed, "removed")}
	}
	list := is.changes(was)
	if is.key == "" || len(list) == 0 {
		return list
	}
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = list[i].What
	}
	return []Change{is.change(Changed, strings.Join(texts, ", "))}
}

// changes gives each setting that differs: of a table as it is told, of an entry of a list as a part of its sentence.
func (e *entry) changes(was *entry) (list []Change) {
	for i, s := range e.settings {
		old := was.settings[i]
		if old.value == s.value {
			continue
		}
		what := fmt.Sprintf("%s was %s, is now %s", s.name, show(old.value), show(s.value))
		if s.hidden {
			what = s.name + " is another one"
		}
		c := Change{Section: e.section, Key: s.name, Op: Changed, What: what}
		if e.key == "" {
			c.What = "[" + e.section + "] " + what
			c.Restart = !sectionOf(e.section).live
		}
		list = append(list, c)
	}
	return list
}

// change is a change of a whole entry.
func (e *entry) change(op Op, what string) Change {
	s := sectionOf(e.section)
	sep := " "
	if op == Changed {
		sep = ": "
	}
	return Change{
		Section: e.section, Key: e.key, Op: op, Restart: !s.live,
		What: s.noun + " " + e.key + sep + what,
	}
}

// summary is the settings of a new entry that say something.
func (e *entry) summary() string {
	var parts []string
	for _, s := range e.settings {
		if s.tell && s.value != "" {
			parts = append(parts, s.name+" "+s.value)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

func show(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

// section says how entries are told, and what a running node can take.
type section struct {
	name string
	noun string // in front of the key
	live bool   // a running node takes it
}

// sections are all, in the order of the surface page. Live is what the host's reload applies; whoever teaches it more makes that
// live here, so that a reload never says of a change that it was applied when it was not.
var sections = []section{
	{name: "node"},
	{name: "networks", noun: "network"},
	{name: "network_keys", noun: "network key"},
	{name: "store"},
	{name: "store.rules", noun: "store rule for"},
	{name: "store.mirror", noun: "mirror of"},
	{name: "faces", noun: "face", live: true},
	{name: "routes", noun: "route to", live: true},
	{name: "announce", noun: "announcement of", live: true},
	{name: "plugins", noun: "plugin"},
	{name: "strategies", noun: "strategy for", live: true},
	{name: "plugins_trust"},
	{name: "streams", noun: "stream", live: true},
	{name: "limits"},
	{name: "admin"},
	{name: "metrics"},
	{name: "log"},
}

func sectionOf(name string) *section {
	for i := range sections {
		if sections[i].name == name {
			return &sections[i]
		}
	}
	panic("config: no section " + name)
}
