package host_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/engine"
)

// Strategy, driver and decoder are swapped in turn under load.
func TestSwapsUnderLoad(t *testing.T) { swapsUnderLoad(t, 9, 500) }

// TestSoakSwaps is the same a thousand times, memory stays, and at full length 20,000 frames a second come in.
func TestSoakSwaps(t *testing.T) {
	fraction, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set: make soak runs this")
	}
	if underRace {
		t.Skip("it has a rate to keep, which -race takes: make soak runs it without")
	}
	least := 500.0 // others work on this machine too: what it carries is in the log
	if fraction >= 1 {
		least = 20_000
	}
	swapsUnderLoad(t, max(int(1000*fraction), 30), least)
}

func swapsUnderLoad(t *testing.T, swaps int, least float64) {
	kinds := []string{"adaptive", "slip", "cayenne-lpp"}
	needsPlugin(t, kinds...)
	dir := t.TempDir()
	up, in := filepath.Join(dir, "up"), filepath.Join(dir, "in")
	producer, err := net.Listen("unix", up)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	w := newWorld(t, nodeText("[store]\ndurability = \"memory\"\nmemory = \"4MiB\"\nmax_rate_per_name = \"10000000/min\"\n",
		withPlugin("slip"), withPlugin("adaptive"), withPlugin("cayenne-lpp"),
		driven("in", "slip", "unix", fmt.Sprintf("listen = %q\n", in)), driven("up", "slip", "unix", fmt.Sprintf("remote = %q\nhello = false\n", up)),
		route("", "up", 1), "[[strategies]]\nprefix = \"\"\nplugin = \"adaptive\"\n"))
	load := newLoad(t, w, in, producer)
	defer load.stop()
	load.flow(1000)

	versions := map[string][2][]byte{}
	for _, kind := range kinds {
		code, err := os.ReadFile("../plugin/builtin/" + kind + ".wasm")
		if err != nil {
			t.Fatal(err)
		}
		versions[kind] = [2][]byte{reversioned(t, code, "9.0.0"), reversioned(t, code, "9.0.1")}
	}
	swap := func(from, to int) {
		for k := from; k < to && !t.Failed(); k++ {
			kind, turn := kinds[k%3], k/3%2
			if err := w.host.SwapPlugin(admin.PluginLoad{Name: kind, Module: versions[kind][turn], From: fmt.Sprintf("%s 9.0.%d", kind, turn)}); err != nil {
				t.Fatal(err)
			}
			if p := pluginOf(t, w, kind); p.Version != fmt.Sprintf("9.0.%d", turn) {
				t.Fatalf("%s after swap %d", p.Version, k)
			}
			load.flow(100)
		}
	}
	warm := max(swaps/10, 3)
	swap(0, warm)
	heap, rss := inUse()
	frames, began := load.count(), time.Now()
	swap(warm, swaps)
	rate := float64(load.count()-frames) / time.Since(began).Seconds()
	endHeap, endRSS := inUse()
	load.stop()
	t.Logf("%d swaps under %.0f frames/s that came in, and as many that went out; %d exchanges, %d decoded; heap in use %d KiB after a tenth and %d at the end, resident %d and %d",
		swaps, rate, load.answered, load.decoded, heap>>10, endHeap>>10, rss>>10, endRSS>>10)
	if rate < least {
		t.Errorf("%.0f frames/s, want %.0f", rate, least)
	}
	if swaps >= 30 && (endHeap > heap+32<<20 || endRSS > rss+64<<20) { // an instance of each swap would be 80 MiB and more
		t.Error("what was swapped out is not freed")
	}
	for _, f := range w.host.Faces() {
		if len(f.Drops) > 0 {
			t.Errorf("face %s has dropped %v", f.Name, f.Drops)
		}
	}
	if f := w.faceNamed("up"); f.OutFrames != uint64(load.asked) || f.InFrames != uint64(load.asked) {
		t.Errorf("%d frames went out and %d came in for %d Interests", f.OutFrames, f.InFrames, load.asked)
	}
	for i, kind := range kinds {
		if p := pluginOf(t, w, kind); p.Swaps != uint64((swaps+2-i)/3) || p.Traps != 0 || p.Degraded != 0 {
			t.Errorf("%+v", p)
		}
	}
}

// reversioned is a module with another version in its manifest, and so another digest.
func reversioned(t *testing.T, code []byte, version string) []byte {
	t.Helper()
	info, err := engine.Read(code)
	if err != nil {
		t.Fatal(err)
	}
	was := regexp.MustCompile(`"version":"` + regexp.QuoteMeta(info.Manifest.Version) + `"`)
	if n := len(was.FindAll(code, -1)); n != 1 || len(version) != len(info.Manifest.Version) {
		t.Fatalf("the version %s stands %d times in the module", info.Manifest.Version, n)
	}
	return was.ReplaceAll(code, []byte(`"version":"`+version+`"`))
}

// inUse is the heap in use and, on Linux, what is resident.
func inUse() (heap, resident uint64) {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(b); len(fields) > 1 {
			pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
			resident = pages * uint64(os.Getpagesize())
		}
	}
	return m.HeapInuse, resident
}
