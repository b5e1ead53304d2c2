package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zmesh/zmesh/runtime/admin"
)

// An operator's day with the store: look, back up, verify, clear, lose the folder, restore.
func TestStoreVerbs(t *testing.T) {
	n := newNode(t, "")
	zmesh(t, "a\nb\nc\n", "pub", topic, "--lines", "--confirm", "--config", n.config).good(t, "#3 durable")
	n.do("store", "list").good(t, "NEWEST", " 3 ", topic)
	n.do("store", "stats", "--top").good(t, topic)
	n.do("store", "stats").good(t, "0 hours dropped before their time, 0 damaged")
	var list []admin.StoreName
	if err := json.Unmarshal([]byte(n.do("store", "list", "--json").out), &list); err != nil || len(list) != 1 || list[0].Contents != 3 || list[0].Newest != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	n.do("store", "list", "01").bad(t, exitFailed, "prefix")
	n.do("store", "list", "--limit", "0").bad(t, exitUsage, "--limit")
	if out := n.do("store", "list", "--after", list[0].Name).out; strings.Contains(out, topic) {
		t.Errorf("behind the last name: %s", out)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	n.do("store", "backup", backup).good(t, "backed up 1 hours")
	n.do("store", "backup", backup).bad(t, exitFailed, "there already")
	n.do("store", "verify").good(t, "3 contents, all good")
	n.do("store", "restore", backup).bad(t, exitFailed, "another node")

	n.do("store", "clear", "").bad(t, exitUsage, "--yes")
	n.do("store", "clear", "", "--yes").good(t, "of 1 names")
	n.do("get", topic, "--timeout", "300ms").bad(t, exitNothing)
	n.do("pub", topic, "--text", "d", "--confirm").good(t, "#4 durable")
	n.do("get", topic).good(t, "#4 d")

	n.end(syscall.SIGTERM)
	n.do("store", "verify").good(t, "1 contents, all good")
	n.do("store", "restore", backup).bad(t, exitFailed, "a store already")
	if err := os.RemoveAll(filepath.Join(filepath.Dir(n.config), "data", "store")); err != nil {
		t.Fatal(err)
	}
	n.do("store", "verify").bad(t, exitFailed, "no store")
	n.do("store", "restore", filepath.Dir(backup)).bad(t, exitFailed, "no complete backup")
	n.do("store", "restore", backup).good(t, "restored 1 hours")
	n.start()
	n.do("get", topic).good(t, "#3 c")
	n.do("sub", topic, "--from", "1", "--count", "3").good(t, "#1 a", "#2 b", "#3 c")
}
