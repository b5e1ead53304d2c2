package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const before = hierarchical + `[store]
retention = "24h"
[[store.rules]]
prefix = "01"
keep_newest = true
[[faces]]
name = "up"
type = "udp"
remote = "192.0.2.1:2208"
[[faces]]
name = "old"
type = "udp"
remote = "192.0.2.2:2208"
[[routes]]
prefix = "01"
face = "up"
[[streams]]
name = "010200000000"
`

// change loads the text before and after replacements and gives what Diff says.
func change(t *testing.T, replace ...string) ([]Change, error) {
	t.Helper()
	dir := folder(t)
	texts := []string{before, strings.NewReplacer(replace...).Replace(before)}
	configs := make([]*Config, 2)
	for i, text := range texts {
		path := filepath.Join(dir, "node.toml")
		put(t, path, text, 0o600)
		var err error
		if configs[i], err = Load(path); err != nil {
			t.Fatal(err)
		}
	}
	return Diff(configs[0], configs[1])
}

func sentences(list []Change) (out []string) {
	for _, c := range list {
		out = append(out, c.What)
	}
	return out
}

func TestDiffTellsWhatARunningNodeTakes(t *testing.T) {
	list, err := change(t,
		"remote = \"192.0.2.1:2208\"\n", "remote = \"192.0.2.1:2208\"\ncost = 5\npublish = [\"01\"]\n",
		"[[faces]]\nname = \"old\"\ntype = \"udp\"\nremote = \"192.0.2.2:2208\"\n", "[[faces]]\nname = \"lan\"\ntype = \"udp\"\nlisten = \":2208\"\n",
		"[[routes]]\nprefix = \"01\"\n", "[[routes]]\nprefix = \"02\"\n",
		"[[streams]]\n", "[[strategies]]\nprefix = \"\"\nplugin = \"best-route\"\n[[streams]]\ndecoder = \"milesight\"\n",
	)
	if err != nil {
		t.Error(err)
	}
	want := []string{
		`face up: publish was [], is now ["01"], cost was 1, is now 5`,
		`face old removed`,
		`face lan added: type udp, listen :2208`,
		`route to "01" by up removed`,
		`route to "02" by up added: cost 10`,
		`strategy for "" added: plugin best-route`,
		`stream 010200000000: decoder was nothing, is now milesight`,
	}
	if got := sentences(list); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c := list[0]; c.Section != "faces" || c.Key != "up" || c.Op != Changed || c.Restart {
		t.Errorf("%+v", c)
	}
}

func TestDiffTellsWhatNeedsARestart(t *testing.T) {
	list, err := change(t,
		`name = "gw"`, `name = "gw"`+"\n"+`workers = 2`,
		"2b7e151628aed2a6abf7158809cf4f3c", "3b7e151628aed2a6abf7158809cf4f3c",
		`retention = "24h"`, `retention = "7d"`,
		"keep_newest = true", "durability = \"durable\"",
		"[[streams]]\n", "[limits]\nidle = \"3m\"\npeer_failures = \"unlimited\"\n[log]\nformat = \"json\"\n[[streams]]\n",
	)
	want := []string{
		`[node] workers was 1, is now 2`,
		`network key 0: key is another one`,
		`[store] retention was 24h, is now 7d`,
		`store rule for "01": keep_newest was true, is now false, durability was nothing, is now durable`,
		`[limits] idle was 2m, is now 3m`,
		`[limits] peer_failures was 100/s, is now unlimited`,
		`[log] format was auto, is now json`,
	}
	if got := sentences(list); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !errors.Is(err, ErrRestart) || strings.Count(err.Error(), "\n") != len(want) {
		t.Errorf("error %v", err)
	}
}

func TestDiffOfMovedLines(t *testing.T) {
	if list, err := change(t, "[store]", "# a comment\n\n[store]"); len(list) > 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}

// All that Diff compares is in a section that it knows, and entries of a section have the same settings.
func TestEntriesAreComplete(t *testing.T) {
	c, _ := full(t)
	names := map[string]string{}
	for _, e := range entries(c) {
		var list []string
		for _, s := range e.settings {
			list = append(list, s.name)
		}
		if sectionOf(e.section); names[e.section] == "" {
			names[e.section] = strings.Join(list, " ")
		}
		check(t, "settings of "+e.section, strings.Join(list, " "), names[e.section])
	}
	for _, s := range sections {
		if _, there := names[s.name]; !there && s.name != "networks" {
			t.Errorf("the surface page has [%s], and Diff does not compare it", s.name)
		}
	}
}
