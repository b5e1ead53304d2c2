package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/admin"
)

// waitFor asks until something is so.
func waitFor(t *testing.T, otherwise string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
		runtime.Gosched()
	}
}

// goroutines waits until there are no more than before.
func goroutines(t *testing.T, before int) {
	t.Helper()
	waitFor(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= before })
}

// What was opened before something failed is closed: the same node can start at once when the cause is gone.
func TestProvisioningThatFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	metrics := fmt.Sprintf("[metrics]\nlisten = %q\n", ln.Addr())
	text := nodeText(listener("lan", freePort(t), "publish = [\"\"]\n"), remote("up", freePort(t), ""), "[[store.mirror]]\nprefix = \"010203040506\"\n", metrics)
	w := &world{t: t, file: filepath.Join(t.TempDir(), "node.toml")}
	w.write(text)
	before := runtime.NumGoroutine()
	if err := w.start(t.Context()); err == nil || !strings.Contains(err.Error(), "metrics") {
		t.Fatalf("error %v", err)
	}
	goroutines(t, before)

	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.start(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped before it was ready: %v", err)
	}
	goroutines(t, before)

	_ = ln.Close()
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.stop()
	goroutines(t, before)
}

// Two nodes on one data folder, also if neither keeps anything there.
func TestOneNodeOnAFolder(t *testing.T) {
	w := newWorld(t, nodeText(inMemory, lanFace))
	second := &world{t: t, file: w.file}
	if err := second.start(t.Context()); err == nil || !strings.Contains(err.Error(), "another node") {
		t.Errorf("error %v", err)
	}
	publish(t, w.device(), "a", 1, 2) // the first has not noticed
}

// What the node has taken is on the disk when it has stopped, long before it would have been synced.
func TestStopWritesWhatIsBuffered(t *testing.T) {
	w := newWorld(t, nodeText(lanFace, "[store]\nmax_rate_per_name = \"100000/min\"\nsync_every = \"1m\"\n"))
	publish(t, w.device(), "a", 1, 300)
	start := time.Now()
	w.stop()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	n := w.device()
	for seq := uint32(1); seq <= 300; seq++ {
		if c := ask(t, n, "a", seq); string(c.Payload) != fmt.Sprint("a ", seq) {
			t.Fatalf("number %d is %q", seq, c.Payload)
		}
	}
}

// No key is in a log, at whatever level, or in an answer.
func TestKeysStayInside(t *testing.T) {
	content := "000102030405060708090a0b0c0d0e0f"
	stream := "[[streams]]\nuri = \"room/a\"\nencryption = \"aes-128-ctr\"\nkey = \"" + content + "\"\niv = \"a0a1a2a3a4a5a6a7a8\"\n"
	w := newWorld(t, nodeText(inMemory, lanFace, stream))
	publish(t, w.device(), "room/a", 1, 3)
	another := strings.ReplaceAll(nodeText(inMemory, lanFace, stream), keyText, strings.Repeat("cd", 16))
	w.write(another)
	_, failed := w.host.Reload()
	w.write(strings.Replace(another, strings.Repeat("cd", 16), strings.Repeat("cd", 15), 1))
	_, broken := w.host.Reload()
	changes := w.reloads(strings.Replace(nodeText(inMemory, lanFace, stream), content, strings.Repeat("ef", 16), 1))
	var all strings.Builder
	for _, v := range []any{w.host.Status(), w.host.Faces(), w.host.Routes(), w.host.Strategies(), w.host.Store(), w.host.Plugins(), changes, failed.Error(), broken.Error()} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	w.stop()
	text := strings.ToLower(all.String() + w.log.String())
	for _, secret := range []string{keyText, content, strings.Repeat("cd", 15), strings.Repeat("ef", 16)} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in\n%s", secret, text)
		}
	}
}

// Modules whose signature cannot be checked do not load where signatures are asked for.
func TestTrustIsNotSkipped(t *testing.T) {
	w := newWorld(t, nodeText(inMemory, lanFace, "[plugins_trust]\nkeys = [\"ed25519:"+strings.Repeat("ab", 32)+"\"]\n"))
	l := admin.PluginLoad{Name: "x", Module: []byte("\x00asm\x01\x00\x00\x00"), From: "x.wasm"}
	for _, err := range []error{w.host.LoadPlugin(l), w.host.SwapPlugin(l)} {
		if err == nil || !strings.Contains(err.Error(), "plugins_trust") {
			t.Errorf("error %v", err)
		}
	}
}

// scrape reads the metrics: series and their values.
func scrape(t *testing.T, address string) map[string]float64 {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", resp.Status, b, err)
	}
	out := map[string]float64{}
	for _, line := range strings.Split(string(b), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		series, value, _ := strings.Cut(line, " ")
		var v float64
		if _, err := fmt.Sscan(value, &v); err != nil || !strings.HasPrefix(series, "zmesh_") {
			t.Errorf("metric %q: %v", line, err)
		}
		out[series] = v
	}
	return out
}

func TestMetrics(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	up := freePort(t)
	text := func(policy, cost string) string {
		return nodeText(inMemory, strings.Replace(lanFace, `[""]`, policy, 1), remote("up", up, cost), fmt.Sprintf("[metrics]\nlisten = %q\n", address))
	}
	w := newWorld(t, text(`[""]`, ""))
	publish(t, w.device(), "a", 1, 5)
	before := scrape(t, address)
	if n := before[`zmesh_frames_total{direction="in",face="lan"}`]; n < 10 {
		t.Errorf("%v frames in of ten that were sent", n)
	}
	if _, ok := before[`zmesh_frames_dropped_total{face="lan",reason="bad_mac"}`]; !ok {
		t.Errorf("no bad_mac in %v", before)
	}

	for i := range 20 { // peers that come make no series of their own
		publish(t, w.device(), fmt.Sprint("b", i), 1, 1)
	}
	wrong, err := net.Dial("udp", w.address("lan"))
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	if _, err := wrong.Write([]byte("\x00......\x01\x00\x00\x01 a content and its MAC")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the drop is not counted", func() bool {
		return scrape(t, address)[`zmesh_frames_dropped_total{face="lan",reason="bad_mac"}`] == 1
	})
	busy := scrape(t, address)

	w.reloads(text(`["010203040506"]`, "cost = 5\n")) // closes all of them, and makes the remote's face anew
	after := scrape(t, address)
	if len(after) != len(before) {
		t.Errorf("%d series, and %d before", len(after), len(before))
	}
	for series, v := range busy {
		if after[series] < v && strings.Contains(series, "_total{") {
			t.Errorf("%s went from %v to %v", series, v, after[series])
		}
	}
	resp, err := http.Get("http://" + address + "/debug/pprof/heap")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("profiles where the metrics are: %s", resp.Status)
	}
}
