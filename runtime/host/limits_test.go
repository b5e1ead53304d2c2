package host_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// What a plugin counts is among the node's metrics, within its limits, and which limits it met is in the list and in the metrics.
func TestPluginMetricsAndLimits(t *testing.T) {
	text := func(size int) []byte {
		return wasmtest.Code(wasmtest.Const(wasmtest.MessageAt), wasmtest.Const(size))
	}
	named := []byte{wasmtest.I32, wasmtest.I32, wasmtest.I64}
	g := &wasmtest.Guest{
		Manifest: map[string]any{"capabilities": []string{"metrics"}},
		Imports: []wasmtest.Import{
			{Module: abi.ImportModule, Name: abi.ImportCount, Params: named}, {Module: abi.ImportModule, Name: abi.ImportGauge, Params: named},
		},
		Process: wasmtest.Code(text(3), wasmtest.Const64(2), wasmtest.Call(1), text(4), wasmtest.Const64(0), wasmtest.Call(2),
			text(5), wasmtest.Const64(0), wasmtest.Call(2), wasmtest.Local0),
		Message: "abcde", Output: wasmtest.Item(abi.StatusOK, 0),
		Configure: wasmtest.Code(text(5), wasmtest.Const64(1), wasmtest.Call(1), wasmtest.Const(0)), // while it is configured, spare instances too: leaves nothing
	}
	file := filepath.Join(t.TempDir(), "d.wasm")
	if err := os.WriteFile(file, g.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nodeText(inMemory, lanFace, remote("up", busyPort(t), ""), route("", "up", 1), "[metrics]\nlisten = \""+address+"\"\n",
		"[[plugins]]\nname = \"d\"\npath = \""+file+"\"\ngrant = [\"metrics\"]\n[plugins.limits]\nmetric_series = 2\n",
		"[[strategies]]\nprefix = \"\"\nplugin = \"d\"\n"))
	d := w.device()
	for k := range 2 { // what nobody has goes to the strategy
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := d.Get(ctx, name.Hash(fmt.Sprint("nobody/has/", k)), 1); err == nil {
			t.Fatal("it is there")
		}
		cancel()
	}
	until(t, "both were decided", func() bool { return w.host.Plugins()[0].Calls >= 2 })
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`zmesh_plugin_count_total{name="abc",plugin="d"} `, `zmesh_plugin_gauge{name="abcd",plugin="d"} 0`,
		`zmesh_plugin_limit_hits_total{limit="metric_series",plugin="d"} `,
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	if strings.Contains(string(page), `"abcde"`) {
		t.Errorf("what was counted while an instance was configured stands in\n%s", page)
	}
	if p := w.host.Plugins()[0]; p.Calls < 2 || p.Limits["metric_series"] != p.Calls || p.Traps != 0 {
		t.Errorf("%+v", p)
	}
}
