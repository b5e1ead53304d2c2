package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/sdk/node"
)

// A device that sleeps: its commands wait as contents, it has them when it wakes, and the operator sees how it stands.
func TestStoreSleepers(t *testing.T) {
	n := newNode(t, "")
	n.end(15)
	text := strings.Replace(nodeConfig(freePort(t), ""), "publish = [\"\"]\n", "publish = [\"\"]\nproxy = true\n", 1)
	writeFile(t, n.config, text)
	n.start()
	n.do("store", "sleepers").good(t, "NEXT-COMMAND")
	n.do("pub", "device/7/commands", "--text", "blink", "--confirm").good(t, "#1 durable")
	n.do("pub", "device/7/commands", "--text", "reboot", "--confirm").good(t, "#2 durable")

	cfg, err := config.Load(n.config)
	if err != nil {
		t.Fatal(err)
	}
	link, err := node.Dial(t.Context(), cfg.Faces[0].Listen, node.Config{Network: cfg.Networks[0].Wire()})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	readings, err1 := node.NewStream(name.Hash("device/7/readings"), node.None, nil, nil)
	marks, err2 := node.OpenWatermark(t.TempDir())
	cursor, err3 := node.OpenCursor(t.TempDir(), "commands", name.Hash("device/7/commands"))
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	defer cursor.Close()
	var did []string
	s := node.NewSleeper(link, node.SleeperConfig{
		Readings: readings, Marks: marks, Commands: name.Hash("device/7/commands"), Cursor: cursor,
		Handle: func(u node.Update) error { did = append(did, string(u.Payload)); return nil },
	})
	for tries := 0; len(did) < 2; tries++ {
		if tries == 100 {
			t.Fatalf("did %q", did)
		}
		if err := s.Wake(t.Context(), []byte("21")); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Join(did, " ") != "blink reboot" {
		t.Errorf("did %q", did)
	}
	n.do("store", "sleepers").good(t, name.Hash("device/7/readings").String(), "lan", "ago", name.Hash("device/7/commands").String()+" #3")
	var list []admin.Sleeper
	if err := json.Unmarshal([]byte(n.do("store", "sleepers", "--json").out), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Next != 3 || list[0].Held != 0 || time.Since(list[0].Seen) > time.Minute || list[0].Ago < 0 {
		t.Errorf("%+v", list)
	}
}
