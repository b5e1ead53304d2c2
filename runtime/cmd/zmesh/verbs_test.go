package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/admin"
)

func TestPublishGetSubscribe(t *testing.T) {
	n := newNode(t, "")
	n.do("pub", topic, "--text", "21.5").good(t, "#1\n")
	n.do("pub", topic, "--value", "22", "--confirm").good(t, "#2 durable\n")
	n.do("get", topic).good(t, topic+" #2 22")
	n.do("get", topic, "--seq", "1").good(t, "#1 21.5")
	if raw := n.do("get", topic, "--seq", "1", "--raw"); strings.Contains(raw.out, "21.5") || len(strings.Fields(raw.out)[2]) != 2*(4+16) {
		t.Errorf("raw: %q, want the sealed payload with its tag, in hex", raw.out)
	}
	zmesh(t, "a\nb\nc\n", "pub", topic, "--lines", "--config", n.config).good(t, "#3\n", "#4\n", "#5\n")
	n.do("sub", topic, "--from", "1", "--count", "5").good(t, "#1 21.5\n", "#2 22\n", "#3 a\n", "#4 b\n", "#5 c\n")

	var l line
	if err := json.Unmarshal([]byte(n.do("get", topic, "--json").out), &l); err != nil {
		t.Fatal(err)
	}
	if l.URI != topic || l.Seq != 5 || l.Payload != "63" || l.Records == nil {
		t.Errorf("%+v", l)
	}
	if _, err := time.Parse(time.RFC3339Nano, l.Received); err != nil {
		t.Error(err)
	}
	n.do("ping", topic, "--count", "3").good(t, "3 of 3 answered", "the first forwarder's store")
	n.do("trace", topic).good(t, "content")
	n.do("trace", "some/other/name").good(t, "ttl ended", "no route")
	n.do("get", "some/other/name").bad(t, exitNothing, "no route")
	n.do("sub", "some/other/name", "--for", "300ms").bad(t, exitNothing)
}

func TestPublishGoesOnAfterARestart(t *testing.T) {
	n := newNode(t, "")
	for want := 1; want <= 3; want++ {
		n.do("pub", topic, "--text", "x", "--confirm").good(t, fmt.Sprintf("#%d durable", want))
		n.end(syscall.SIGTERM)
		n.start()
		n.do("get", topic).good(t, fmt.Sprintf("#%d x", want))
	}
}

func TestStopsInTime(t *testing.T) {
	n := newNode(t, "")
	n.do("pub", topic, "--text", "x", "--confirm").good(t)
	start := time.Now()
	n.end(syscall.SIGTERM)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("SIGTERM took %s", took)
	}
}

func TestOperatorsVerbs(t *testing.T) {
	n := newNode(t, fmt.Sprintf("[[faces]]\nname = \"up\"\ntype = \"udp\"\nremote = \"127.0.0.1:%d\"\n", freePort(t)))
	n.do("status").good(t, "node      test", "dropped")
	n.do("status", "--perf").good(t, "CPU", "receive", "verify", "forward", "strategy", "store", "send", "lan", "READERS", "NAPS")
	n.do("face").good(t, "lan", "listening", "up")
	n.do("face", "down", "up").good(t, "face up is down")
	n.do("face", "up", "up").good(t, "face up is up")
	n.do("face", "down", "nope").bad(t, exitFailed, `no face "nope"`, "up")
	n.do("route", "add", "", "up", "--cost", "7").good(t, "cost 7")
	n.do("route").good(t, "up", "7", "static")
	n.do("route", "remove", "", "up").good(t)
	n.do("route", "remove", "", "up").bad(t, exitFailed, "no static route")
	n.do("strategy").good(t, "best-route")
	n.do("strategy", "set", "", "no-such-plugin").bad(t, exitFailed, "no-such-plugin")
	n.do("store").good(t, "durable")
	n.do("plugin", "list").good(t, "NAME")
	for path, into := range map[string]any{
		"status": &admin.Status{}, "status --perf": &admin.Perf{}, "face": &[]admin.Face{}, "route": &[]admin.Route{}, "store": &admin.Store{},
	} {
		if err := json.Unmarshal([]byte(n.do(append(strings.Fields(path), "--json")...).out), into); err != nil {
			t.Errorf("%s --json: %v", path, err)
		}
	}
	info, err := os.Stat(filepath.Join(filepath.Dir(n.config), "data", "zmesh.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("admin socket: %v, %v", info.Mode(), err)
	}
}

// A reload applies everything or nothing.
func TestReload(t *testing.T) {
	n := newNode(t, "")
	text, err := os.ReadFile(n.config)
	if err != nil {
		t.Fatal(err)
	}
	n.do("reload").good(t, "nothing has changed")
	up := fmt.Sprintf("[[faces]]\nname = \"up\"\ntype = \"udp\"\nremote = \"127.0.0.1:%d\"\n[[routes]]\nprefix = \"\"\nface = \"up\"\n", freePort(t))
	writeFile(t, n.config, string(text)+up)
	n.do("reload").good(t, "up")
	n.do("route").good(t, "up")
	n.do("pub", topic, "--text", "x", "--confirm").good(t, "durable")

	writeFile(t, n.config, strings.Replace(string(text), `name = "test"`, `name = "other"`, 1))
	n.do("reload").bad(t, exitFailed, "nothing was changed")
	writeFile(t, n.config, string(text)+"[[routes]]\nprefix = \"\"\nface = \"nope\"\n")
	n.do("reload").bad(t, exitUsage, "node.toml:", "nope") // it is read to find the node
	socket := "unix:" + filepath.Join(filepath.Dir(n.config), "data", "zmesh.sock")
	zmesh(t, "", "reload", "--admin", socket).bad(t, exitFailed, "nothing was changed", "nope")
	writeFile(t, n.config, string(text)+up)
	n.do("route").good(t, "up")

	writeFile(t, n.config, string(text))
	n.do("reload").good(t, "up")
	if out := n.do("route").out; strings.Contains(out, "up") {
		t.Errorf("the route is still there: %s", out)
	}
}

func TestUsage(t *testing.T) {
	zmesh(t, "", "fly").bad(t, exitUsage, "fly")
	zmesh(t, "", "get").bad(t, exitUsage, "missing: zmesh get NAME")
	zmesh(t, "", "help", "get").good(t, "Usage:")
	zmesh(t, "", "help", "nosuch").bad(t, exitUsage, `no command "nosuch"`)
	zmesh(t, "", "plugin", "nosuch").bad(t, exitUsage, "nosuch")
	zmesh(t, "", "get", topic).bad(t, exitUsage, "--config")
	zmesh(t, "", "run").bad(t, exitUsage, "--config")
	zmesh(t, "", "status").bad(t, exitUsage, "--admin")
	zmesh(t, "", "status", "--admin", "unix:/nowhere/zmesh.sock").bad(t, exitFailed, "no node answers")
	zmesh(t, "", "name", topic).good(t, "hash")
	zmesh(t, "", "name", "location/hq/floor/2/room/22/event/temp").good(t, "f49f767abffb")
	zmesh(t, "", "completion", "bash").good(t, "zmesh")
	zmesh(t, "", "decode").bad(t, exitUsage, "--plugin")
	zmesh(t, "", "decode", "--plugin", "builtin:milesight", "--hex", "0g").bad(t, exitUsage, "hex")
}

// What a user gets wrong has a plain sentence and exit code 1 or 2, never a stack trace.
func TestUserMistakes(t *testing.T) {
	n := newNode(t, "")
	dir := t.TempDir()
	file := func(text string) string { return writeFile(t, filepath.Join(dir, "node.toml"), text) }

	text, err := os.ReadFile(n.config)
	if err != nil {
		t.Fatal(err)
	}
	zmesh(t, "", "run", "--config", n.config).bad(t, exitFailed, "another node")            // two nodes on one folder
	zmesh(t, "", "run", "--config", file(string(text))).bad(t, exitFailed, "lan", "in use") // port in use
	zmesh(t, "", "run", "--config", filepath.Join(dir, "nope.toml")).bad(t, exitUsage, "nope.toml")
	zmesh(t, "", "check", "--config", file(strings.Replace(string(text), "listen", "lisen", 1))).bad(t, exitUsage, "node.toml:", "lisen", "listen")

	blocked := strings.Replace(nodeConfig(freePort(t), ""), `name = "test"`, `name = "test"`+"\ndata_dir = \"node.toml/data\"", 1)
	zmesh(t, "", "run", "--config", file(blocked)).bad(t, exitFailed, "data_dir")

	writeFile(t, filepath.Join(dir, "names.toml"), "[[levels]]\n\"location/hq\" = 1\n\"location/lab\" = 1\n")
	twice := strings.Replace(nodeConfig(freePort(t), ""), `name = "test"`, `name = "test"`+"\nnaming = \"hierarchical\"\nnames = \"names.toml\"", 1)
	zmesh(t, "", "check", "--config", file(twice)).bad(t, exitUsage, "names.toml:", "location/hq", "location/lab")
}
