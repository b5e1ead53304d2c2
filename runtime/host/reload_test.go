package host_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
)

// state is what of a node a reload may change, as text.
func (w *world) state() string {
	list := []string{fmt.Sprint(w.host.Addresses()), fmt.Sprint(w.host.Strategies())}
	for _, f := range w.host.Faces() {
		if !f.OnDemand {
			list = append(list, fmt.Sprint(f.Name, f.Up, f.Listener))
		}
	}
	for _, r := range w.host.Routes() {
		list = append(list, fmt.Sprint(r.Prefix, r.Face, r.Cost, r.Origin, r.Used))
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

// refuses makes sure that a reload fails with a text and leaves everything as it was.
func (w *world) refuses(text string, says ...string) {
	w.t.Helper()
	before := w.state()
	w.write(text)
	_, err := w.host.Reload()
	for _, s := range append(says, "nothing was changed") {
		if err == nil || !strings.Contains(err.Error(), s) {
			w.t.Errorf("error %v, want %q in it", err, s)
		}
	}
	if after := w.state(); after != before {
		w.t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

func (w *world) reloads(text string) []string {
	w.t.Helper()
	w.write(text)
	out, err := w.host.Reload()
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Changes
}

// When one of the changes fails, nothing is left of those before it, and what is open has not noticed.
func TestReloadTakesBack(t *testing.T) {
	up := freePort(t)
	base := nodeText(inMemory, lanFace, remote("up", up, ""), route("", "up", 7))
	w := newWorld(t, base)
	device := w.device()
	publish(t, device, "a", 1, 3)
	if err := w.host.AddRoute(admin.Route{Prefix: "010203040506", Face: "up", Cost: 3}); err != nil {
		t.Fatal(err)
	}

	first, busy := freePort(t), busyPort(t)
	w.refuses(base+listener("one", first, "")+listener("two", busy, ""), "two", "in use")
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: first})
	if err != nil {
		t.Fatalf("the first of the new listeners is still open: %v", err)
	}
	_ = conn.Close()

	w.refuses(strings.Replace(base, fmt.Sprint(up), fmt.Sprint(first), 1), "up", "new name")
	w.refuses(strings.Replace(base, `"up"`, `"other"`, 2), "other", "has the address of face \"up\"")
	w.refuses(base+remote("far", 9, "")+remote("lost", 9, "mtu = 12\n"), "mtu")
	w.refuses(nodeText(lanFace), "restart")
	w.refuses("[node", "node.toml:")
	publish(t, device, "a", 4, 6)
	if c := ask(t, w.device(), "a", 2); string(c.Payload) != "a 2" {
		t.Errorf("number 2 is %q", c.Payload)
	}
}

// A decoder is no strategy: that is found after faces were opened.
func TestReloadTakesBackFacesWhenAStrategyFails(t *testing.T) {
	decoder := wasmtest.Guest{Manifest: map[string]any{"kind": "decoder"}}
	file := filepath.Join(t.TempDir(), "m.wasm")
	if err := os.WriteFile(file, decoder.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	base := nodeText(inMemory, lanFace, remote("up", freePort(t), ""), route("", "up", 7), fmt.Sprintf("[[plugins]]\nname = \"m\"\npath = %q\n", file))
	w := newWorld(t, base)
	changed := strings.Replace(base, "[[routes]]", "cost = 9\n[[routes]]", 1)
	w.refuses(changed+listener("one", freePort(t), "")+"[[strategies]]\nprefix = \"\"\nplugin = \"m\"\n", `"m"`, "decoder")
}

func TestReloadApplies(t *testing.T) {
	up := freePort(t)
	base := nodeText(inMemory, lanFace, remote("up", up, ""))
	w := newWorld(t, base)
	device := w.device()
	publish(t, device, "a", 1, 3)
	if err := w.host.SetFace("up", false); err != nil {
		t.Fatal(err)
	}
	if err := w.host.AddRoute(admin.Route{Face: "up", Cost: 3}); err != nil {
		t.Fatal(err)
	}

	// A remote's policy: the face is made anew, and still down as the operator wants it. Routes are those of the file.
	announce := "[[announce]]\nprefix = \"\"\n"
	changes := w.reloads(nodeText(inMemory, lanFace, remote("up", up, "cost = 5\n"), route("010203040506", "up", 9), announce))
	if len(changes) != 3 {
		t.Errorf("changes: %q", changes)
	}
	if i := slices.IndexFunc(w.host.Faces(), func(f admin.Face) bool { return f.Name == "up" && !f.Up }); i < 0 {
		t.Errorf("faces: %+v", w.host.Faces())
	}
	if got := fmt.Sprint(len(w.host.Routes())); got != "2" || !strings.Contains(w.state(), "010203040506up9") {
		t.Errorf("routes: %+v", w.host.Routes())
	}

	// A listener comes and goes, and nobody on another face notices.
	port := freePort(t)
	with := nodeText(inMemory, lanFace, listener("extra", port, ""))
	w.reloads(with)
	w.address("extra")
	publish(t, device, "a", 4, 6)
	w.reloads(nodeText(inMemory, lanFace))
	publish(t, device, "a", 7, 8)
	w.reloads(with)
	if s := w.state(); strings.Contains(s, "up") || !strings.Contains(s, "extra") {
		t.Errorf("state:\n%s", s)
	}

	// A listener's policy: what was allowed is not any more.
	w.reloads(nodeText(inMemory, strings.Replace(lanFace, `[""]`, `["010203040506"]`, 1)))
	if n := len(w.reloads(nodeText(inMemory, strings.Replace(lanFace, `[""]`, `["010203040506"]`, 1)))); n != 0 {
		t.Errorf("%d changes of nothing", n)
	}
}

func TestFaceDownHolds(t *testing.T) {
	b := newWorld(t, nodeText(inMemory, lanFace, "[limits]\nhello = \"100ms\"\n"))
	_, port, _ := net.SplitHostPort(b.address("lan"))
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	a := newWorld(t, nodeText(inMemory, lanFace, remote("up", number, ""), "[limits]\nhello = \"100ms\"\n"))
	face := func() (f admin.Face) {
		for _, f = range a.host.Faces() {
			if f.Name == "up" {
				break
			}
		}
		return f
	}
	waitFor(t, "the peer has not answered", func() bool { return face().Forwarder != "" })
	if err := a.host.SetFace("up", false); err != nil {
		t.Fatal(err)
	}
	in := face().InFrames
	waitFor(t, "the peer answers no more", func() bool { return face().InFrames > in+2 })
	if face().Up {
		t.Error("an answer to a hello has set the face up again")
	}
}
