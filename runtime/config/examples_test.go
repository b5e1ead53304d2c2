package config

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// Every configuration in examples loads as it stands; files without [node] are those that others name.
func TestExamples(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../../examples", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".toml" || strings.HasSuffix(path, "names.toml") || strings.HasSuffix(path, "plugin.toml") {
			return err
		}
		found++
		if _, err := Load(path); err != nil {
			t.Errorf("\n%v", err)
		}
		return nil
	})
	if err != nil || found < 4 {
		t.Errorf("%d configurations, %v", found, err)
	}
}

func example(t *testing.T, path string) *Config {
	t.Helper()
	c, err := Load(filepath.Join("../../examples", path))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The two nodes are each other's remote, have one key, and nothing in common that only one can have.
func TestTwoNodesAreJoined(t *testing.T) {
	a, b := example(t, "two-nodes/a.toml"), example(t, "two-nodes/b.toml")
	check(t, "a's remote", a.Face("to-b").Remote, b.Face("lan").Listen)
	check(t, "b's remote", b.Face("to-a").Remote, a.Face("lan").Listen)
	if a.Node.ID == b.Node.ID || a.Node.DataDir == b.Node.DataDir || !a.Networks[0].Keys[0].Key.Equal(b.Networks[0].Keys[0].Key) {
		t.Error("they are not two nodes of one network")
	}
	check(t, "mirror", b.Store.Mirror, []name.Prefix{name.MakePrefix(name.Hash("location/hq/floor/2/room/merkur/event/temp"), 6)})
}

func TestBuilding(t *testing.T) {
	c := example(t, "building/node.toml")
	merkur, err := c.Name("location/hq/floor/2/room/merkur/event/temp")
	if err != nil || merkur.String() != "010203010000" {
		t.Errorf("%s, %v", merkur, err)
	}
	pattern, err := c.Name("location/hq/floor/*/room/*/event/temp")
	if err != nil || !c.Own().Match(pattern, merkur) {
		t.Errorf("%s, %v", pattern, err)
	}
	floor := c.FaceConfig(c.Face("floor-1"))
	if floor.Publish.Covers(merkur) || !floor.AskSome || !floor.Ask.Covers(pattern) {
		t.Error("what floor 1 may do")
	}
	sc := c.StoreConfig()
	kitchen, err := c.Name("location/hq/floor/1/room/kitchen/event/temp")
	if err != nil {
		t.Fatal(err)
	}
	rule := sc.RuleFor(name.MakeKey(0, kitchen))
	check(t, "the kitchen's rate", rule.MaxRatePerName, 600)
	check(t, "its class without a backend", rule.Class, store.Memory)
	check(t, "longest retention", c.Store.LongestRetention().Hours(), 168)
	if uri, ok := c.URI(merkur); !ok || uri != "location/hq/floor/2/room/merkur/event/temp" {
		t.Errorf("%q", uri)
	}
}
