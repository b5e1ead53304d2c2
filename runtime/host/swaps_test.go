package host_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/sdk/node"
)

// Strategy, driver and decoder are swapped in turn under load.
func TestSwapsUnderLoad(t *testing.T) { swapsUnderLoad(t, 6) }

// TestSoakSwaps is the same a thousand times, and memory stays.
func TestSoakSwaps(t *testing.T) {
	fraction, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set: make soak runs this")
	}
	swapsUnderLoad(t, max(int(1000*fraction), 30))
}

// loadName is a name that is routed to the load's far end.
var loadName = name.Name{0xA0, 1, 2, 3, 4, 5}

func swapsUnderLoad(t *testing.T, swaps int) {
	kinds := []string{"adaptive", "slip", "cayenne-lpp"}
	needsPlugin(t, kinds...)
	sink, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	const store = "[store]\ndurability = \"memory\"\nmemory = \"4MiB\"\nmax_rate_per_name = \"10000000/min\"\n"
	socket := filepath.Join(t.TempDir(), "line.sock")
	far := newWorld(t, nodeText(store, lanFace, withPlugin("slip"), driven("line", "slip", "unix", fmt.Sprintf("listen = %q\n", socket))))
	near := newWorld(t, nodeText(store, lanFace, withPlugin("slip"), withPlugin("adaptive"), withPlugin("cayenne-lpp"),
		driven("up", "slip", "unix", fmt.Sprintf("remote = %q\n", socket)), route("", "up", 1),
		remote("sink", sink.LocalAddr().(*net.UDPAddr).Port, "hello = false\n"), route("a00102030405", "sink", 1),
		"[[strategies]]\nprefix = \"\"\nplugin = \"adaptive\"\n"))
	until(t, "the line is up", func() bool { return near.faceNamed("up").Up })

	var all sync.WaitGroup
	stop := make(chan struct{})
	sinkSide, client := newVolume(t, near.address("lan"), 0), newVolume(t, near.address("lan"), 0)
	go answerAll(sink, sinkSide)
	exchanges := 0
	all.Go(func() { exchanges = exchange(t, client, stop) })
	var got atomic.Uint32
	all.Go(func() { produces(t, far.device(), &got, stop) })
	asker := far.device()
	until(t, "something is published: who asks before finds no route", func() bool {
		_, err := asker.Get(t.Context(), name.Hash("a"), wire.SeqNewest)
		return err == nil
	})
	sub, err := near.device().Subscribe(name.Hash("a"), wire.SeqFirst, false)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	all.Go(func() { consumes(t, near, sub, &got, stop) })
	end := sync.OnceFunc(func() { close(stop); all.Wait() })
	defer end()
	until(t, "the stream flows", func() bool { return got.Load() > 100 })

	swap := func(from, to int) {
		for k := from; k < to && !t.Failed(); k++ {
			seen := got.Load()
			if err := near.host.SwapPlugin(admin.PluginLoad{Name: kinds[k%3], From: "builtin:" + kinds[k%3]}); err != nil {
				t.Fatal(err)
			}
			until(t, "the stream goes on", func() bool { return got.Load() > seen || t.Failed() })
		}
	}
	swap(0, swaps/10)
	heap, rss := inUse()
	frames, began := flown(near, far), time.Now()
	swap(swaps/10, swaps)
	rate := float64(flown(near, far)-frames) / time.Since(began).Seconds()
	endHeap, endRSS := inUse()
	end()
	t.Logf("%d swaps under %.0f frames/s in and out of two nodes; %d of the stream, %d exchanges; heap in use %d KiB after a tenth and %d at the end, resident %d and %d",
		swaps, rate, got.Load(), exchanges, heap>>10, endHeap>>10, rss>>10, endRSS>>10)
	if rate < 500 { // others work on this machine too: what it carries is in the log
		t.Errorf("%.0f frames/s", rate)
	}
	if swaps >= 30 && !underRace && (endHeap > heap+16<<20 || endRSS > rss+48<<20) {
		t.Error("what was swapped out is not freed")
	}
	dropsNothing(t, near.faceNamed("up"), far.faceNamed("line"), near.faceNamed("sink"))
	for i, kind := range kinds {
		if p := pluginOf(t, near, kind); p.Swaps != uint64((swaps+2-i)/3) || p.Traps != 0 || p.Degraded != 0 {
			t.Errorf("%+v", p)
		}
	}
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

// flown is how many frames came in and went out.
func flown(list ...*world) (n uint64) {
	for _, w := range list {
		for _, f := range w.host.Faces() {
			if !f.OnDemand { // its listener counts them too
				n += f.InFrames + f.OutFrames
			}
		}
	}
	return n
}

// answerAll gives each Interest a Content, until the socket is closed.
func answerAll(conn *net.UDPConn, v *volume) {
	buf := make([]byte, wire.MaxFrame)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		var f wire.Frame
		if f.Parse(buf[:n]) != 0 || f.Type != wire.Interest {
			continue
		}
		raw := (&wire.Header{Name: f.Name, Seq: f.Seq, Type: wire.Content, TTL: 7}).Append(nil, []byte("load"))
		if v.signer.Sign(0, raw) == nil {
			_, _ = conn.WriteToUDPAddrPort(raw, from)
		}
	}
}

// exchange sends Interests in windows, each once: each is answered once, in order.
func exchange(t *testing.T, v *volume, stop chan struct{}) (n int) {
	for seq := uint32(1); ; {
		select {
		case <-stop:
			return n
		default:
		}
		first := seq
		for ; seq < first+32; seq++ {
			asked := wire.MakeAsked(time.Now().UnixMilli(), 30)
			raw := (&wire.Header{Name: loadName, Seq: seq, Type: wire.Interest, TTL: 7}).Append(nil, asked[:])
			if err := v.signer.Sign(0, raw); err != nil {
				t.Error(err)
			}
			if _, err := v.conn.Write(raw); err != nil {
				t.Error(err)
			}
		}
		for want := first; want < seq; want++ {
			_ = v.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			k, err := v.conn.Read(v.buf)
			var f wire.Frame
			if err != nil || f.Parse(v.buf[:k]) != 0 || f.Type != wire.Content || f.Seq != want {
				t.Errorf("the load: %v, %s %d, want the content %d", err, f.Type, f.Seq, want)
				return n
			}
			n++
		}
	}
}

// consumes takes each number once, in order, and has each eighth decoded.
func consumes(t *testing.T, w *world, sub *node.Subscription, got *atomic.Uint32, stop chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { <-stop; cancel() }()
	for seq := uint32(1); ; seq++ {
		u, err := sub.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil || u.Lost || u.Seq != seq || !bytes.Equal(u.Payload, reading(seq)) {
			t.Errorf("%+v, %v, want number %d", u, err, seq)
			return
		}
		if seq%8 == 0 {
			d, err := w.host.Decode(context.Background(), "cayenne-lpp", u.Payload)
			if err != nil || len(d.Records) != 1 || int(d.Records[0].Number*10+0.5) != int(seq%1000) {
				t.Errorf("number %d: %+v, %v", seq, d, err)
			}
		}
		got.Store(seq)
	}
}

// reading is a temperature as Cayenne LPP has it, in tenths of a degree.
func reading(seq uint32) []byte { return []byte{1, 0x67, byte(seq % 1000 >> 8), byte(seq % 1000)} }

// produces publishes as fast as the consumer takes it.
func produces(t *testing.T, n *node.Node, got *atomic.Uint32, stop chan struct{}) {
	s, err := node.NewStream(name.Hash("a"), node.None, nil, nil)
	if err != nil {
		t.Error(err)
		return
	}
	for seq := uint32(1); ; {
		select {
		case <-stop:
			return
		default:
		}
		if seq > got.Load()+32 {
			runtime.Gosched()
			continue
		}
		if err := n.Publish(s, seq, reading(seq)); err != nil {
			t.Error(err)
			return
		}
		seq++
	}
}
