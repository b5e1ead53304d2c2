package host_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

const floodConfig = `
[node]
name = "flood"
[[network_keys]]
id = 0
use = true
key = "2b7e151628aed2a6abf7158809cf4f3c"
[store]
durability = "%s"
sync_every = "50ms"
memory = "32MiB"
max_names = 16384
max_rate_per_name = "1000000/min"
max_size = "1GiB"
[[faces]]
name = "lan"
type = "udp"
listen = "127.0.0.1:0"
publish = [""]
[[faces]]
name = "wild"
type = "udp"
listen = "127.0.0.1:0"
publish = [""]
`

// A face that sends ever new names, more than the index takes, changes nothing for another (P-22): what came before is there, and what comes
// meanwhile and afterwards is kept, of new names too.
func TestFloodOfNamesLeavesOthersAlone(t *testing.T) {
	for _, class := range []string{"memory", "buffered"} {
		t.Run(class, func(t *testing.T) { floodOfNames(t, class, 20_000, 10) })
	}
}

// TestSoakFloodOfNames floods with a million names.
func TestSoakFloodOfNames(t *testing.T) {
	fraction, err := strconv.ParseFloat(os.Getenv("ZMESH_SOAK"), 64)
	if err != nil {
		t.Skip("ZMESH_SOAK is not set: make soak runs this")
	}
	for _, class := range []string{"memory", "buffered"} {
		t.Run(class, func(t *testing.T) { floodOfNames(t, class, max(int(1_000_000*fraction), 20_000), 100) })
	}
}

// floodOfNames has one face publish each numbers of 64 names before, up to four times as many during, and each of 64 names more after another's flood.
func floodOfNames(t *testing.T, class string, flood int, each uint32) {
	w := newWorld(t, fmt.Sprintf(floodConfig, class))
	const old, all = 64, 128
	honest, wild := newVolume(t, w.address("lan"), all), newVolume(t, w.address("wild"), 0)
	reader := newVolume(t, w.address("lan"), all) // a face of its own: a producer's own question is for a confirmation, which class memory refuses (P-13)
	publish := func(first, names int, from, to uint32) float64 {
		start := time.Now()
		for seq := from; seq <= to; seq++ {
			for i := first; i < names; i++ {
				honest.publish(i, seq)
			}
		}
		return float64(int(to-from+1)*(names-first)) / time.Since(start).Seconds()
	}
	alone := publish(0, old, 1, each)
	done := make(chan float64, 1)
	go func() { done <- wild.flood(w, flood) }()
	var rate, meanwhile float64
	last := each
	for rate == 0 {
		if last == 5*each {
			rate = <-done
			break
		}
		last++
		meanwhile += publish(0, old, last, last)
		select {
		case rate = <-done:
		default:
		}
	}
	after := publish(old, all, 1, each)
	for i := range all {
		newest := last
		if i >= old {
			newest = each
		}
		for seq := uint32(1); seq <= newest; seq++ {
			reader.ask(i, seq, seq)
		}
	}
	reader.drain()
	s := w.host.Store()
	t.Logf("%d names at %.0f/s; the other face published %.0f contents/s before, %.0f meanwhile, %.0f afterwards, and all are there; not kept: %v",
		flood, rate, alone, meanwhile/float64(last-each), after, s.NotKept)
	if s.NotKept["names_full"] != 0 || s.Names > 16384/2 {
		t.Errorf("%d names, not kept %v: the flood took more than its share", s.Names, s.NotKept)
	}
}

// flood sends contents of n new names, 100,000 a second, and more until the store refuses some, and gives the names a second.
func (v *volume) flood(w *world, n int) float64 {
	start, pace := time.Now(), time.NewTicker(10*time.Millisecond)
	defer pace.Stop()
	sent := 0
	for sent < n || len(w.host.Store().NotKept) == 0 {
		for range 1000 {
			h := wire.Header{Name: name.Hash(fmt.Sprintf("flood/%d", sent)), Seq: 1, Type: wire.Content, TTL: 7}
			raw := h.Append(nil, []byte("a name that nobody knows"))
			if err := v.signer.Sign(0, raw); err != nil {
				v.t.Error(err)
				return -1
			}
			_, _ = v.conn.Write(raw) // what its own socket drops is its own trouble
			sent++
		}
		<-pace.C
	}
	return float64(sent) / time.Since(start).Seconds()
}
