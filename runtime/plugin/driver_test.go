package plugin

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/faces/driver"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// line opens a line on a driver.
func line(t testing.TB, m *Manager, name string) *DriverLink {
	t.Helper()
	d, err := m.Driver(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// driverGuest is a hand-made driver with a fixed answer to each batch, and what it declares.
func driverGuest(output []byte, more map[string]any) *wasmtest.Guest {
	declared := map[string]any{"mtu": 1280, "transports": []string{"stream"}}
	for k, v := range more {
		declared[k] = v
	}
	return &wasmtest.Guest{
		Manifest: map[string]any{"kind": "driver", "driver": declared}, Output: output, MinPages: 3,
		Region: map[int][2]uint32{abi.ArenaInput: {8192, 16384}, abi.ArenaState: {32768, 32768}},
	}
}

// outRecord is a record of a driver's output.
func outRecord(tag byte, peer uint32, data string) []byte {
	b := make([]byte, abi.OutFixed+abi.Align(len(data)))
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	b[abi.OutTag] = tag
	binary.LittleEndian.PutUint32(b[abi.OutPeer:], peer)
	binary.LittleEndian.PutUint32(b[abi.OutDataSize:], uint32(len(data)))
	copy(b[abi.OutFixed:], data)
	return b
}

// answer is an output item of a driver.
func answer(status int, consumed, damaged, timer uint32, records ...[]byte) []byte {
	b := wasmtest.Item(status, len(records), slices.Concat(records...)...)
	binary.LittleEndian.PutUint32(b[abi.DriverConsumed:], consumed)
	binary.LittleEndian.PutUint32(b[abi.DriverDamaged:], damaged)
	binary.LittleEndian.PutUint32(b[abi.DriverTimer:], timer)
	return b
}

// runOne runs a driver for one event.
func runOne(d *DriverLink, kind driver.Kind, p *driver.Peer, data string) (driver.Outcome, *driver.Result) {
	r := &driver.Result{}
	d.Run(time.Second, []driver.Item{{Kind: kind, Peer: p, Data: []byte(data)}}, r)
	return r.Outcomes[0], r
}

func TestDriverThroughWasm(t *testing.T) {
	for _, name := range []string{"slip", "cobs"} {
		m, _ := manager(t, Options{})
		load(t, m, name, builtin(t, name))
		d, p := line(t, m, name), &driver.Peer{}
		if tr := d.Traits(); tr.MTU != 1280 || !tr.Stream || !tr.Datagram || tr.Broadcast {
			t.Errorf("%s: %+v", name, tr)
		}
		var items []driver.Item
		var want []string
		for k := range 200 {
			want = append(want, strings.Repeat(fmt.Sprintf("\xC0\x00%d\xDB", k), 1+k))
			items = append(items, driver.Item{Kind: driver.Send, Peer: p, Data: []byte(want[k])})
		}
		var r driver.Result
		d.Run(0, items, &r)
		var line []byte
		for k, o := range r.Outcomes {
			if o.Why != drop.None || o.Outgoing != 1 {
				t.Fatalf("%s: frame %d: %+v", name, k, o)
			}
			line = append(line, r.Outgoing[k].Data...)
		}
		var got []string
		for seen := 0; len(line) > 0; {
			n := min(len(line), 4000)
			d.Run(0, []driver.Item{{Kind: driver.Received, Peer: p, Data: line[:n], Seen: seen}}, &r)
			for _, f := range r.Frames {
				got = append(got, string(f.Data))
			}
			line = line[r.Outcomes[0].Consumed:]
			if seen = n - r.Outcomes[0].Consumed; r.Outcomes[0].More {
				seen = 0
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d frames of %d", name, len(got), len(want))
		}
	}
}

// What a driver gives is taken if it can be; if it cannot, the item is refused with a reason, and what cannot be at all ends the instance.
func TestDriverOutput(t *testing.T) {
	frame, out := outRecord(abi.TagFrame, 0, "a frame"), outRecord(abi.TagBytes, 7, "bytes")
	huge := outRecord(abi.TagFrame, 0, strings.Repeat("x", abi.MaxReceived+1))
	for what, c := range map[string]struct {
		kind   driver.Kind
		output []byte
		want   driver.Outcome
	}{
		"frames and bytes":         {driver.Received, answer(0, 3, 2, 5, frame, out), driver.Outcome{Consumed: 3, Damaged: 2, Frames: 1, Outgoing: 1}},
		"more":                     {driver.Received, answer(abi.StatusMore, 3, 0, 0, frame), driver.Outcome{Consumed: 3, More: true, Frames: 1}},
		"no answer":                {driver.Received, answer(abi.StatusFailed, 0, 0, 0), driver.Outcome{Why: drop.DriverFailed}},
		"a frame of one to send":   {driver.Send, answer(0, 0, 0, 0, frame, out), driver.Outcome{Refused: 1, Outgoing: 1}},
		"an empty frame":           {driver.Received, answer(0, 0, 0, 0, outRecord(abi.TagFrame, 0, "")), driver.Outcome{Refused: 1}},
		"a frame of 8 KiB":         {driver.Received, answer(0, 0, 0, 0, huge, frame), driver.Outcome{Refused: 1, Frames: 1}},
		"absurdly much damage":     {driver.Received, answer(0, 0, 1<<31, 0), driver.Outcome{Damaged: abi.MaxReceived}},
		"consumed more than there": {driver.Received, answer(0, 6, 0, 0), driver.Outcome{Why: drop.DriverTrap}},
		"more of nothing":          {driver.Received, answer(abi.StatusMore, 0, 0, 0), driver.Outcome{Why: drop.DriverTrap}},
		"more of a frame to send":  {driver.Send, answer(abi.StatusMore, 1, 0, 0), driver.Outcome{Why: drop.DriverTrap}},
		"a status of later":        {driver.Received, answer(3, 0, 0, 0), driver.Outcome{Why: drop.DriverTrap}},
		"an absurd count":          {driver.Received, wasmtest.Item(0, 0xFFFF, frame...), driver.Outcome{Why: drop.DriverTrap}},
		"a count beyond the item":  {driver.Received, wasmtest.Item(0, 2, frame...), driver.Outcome{Why: drop.DriverTrap}},
		"a record of no kind":      {driver.Received, answer(0, 0, 0, 0, outRecord(9, 0, "x")), driver.Outcome{Why: drop.DriverTrap}},
		"an item beyond the end":   {driver.Received, []byte{255, 255, 255, 0}, driver.Outcome{Why: drop.DriverTrap}},
		"nothing":                  {driver.Received, make([]byte, 24), driver.Outcome{Why: drop.DriverTrap}},
	} {
		t.Run(what, func(t *testing.T) {
			m, journal := manager(t, Options{})
			g := driverGuest(answer(0, 0, 0, 0), nil)
			load(t, m, "d", handMade(secondly(g, c.output)))
			o, r := runOne(line(t, m, "d"), c.kind, &driver.Peer{}, "12345")
			if o != c.want {
				t.Errorf("%+v, want %+v", o, c.want)
			}
			if len(r.Frames) != o.Frames || len(r.Outgoing) != o.Outgoing || (what == "frames and bytes") != (r.Timer == 5*time.Millisecond) {
				t.Errorf("%+v", r)
			}
			if o.Why == drop.DriverTrap {
				await(t, journal, "trapped")
				await(t, journal, "replaced")
			}
		})
	}
}

// secondly makes a guest that answers an event LinkUp with its own output, and any other with another.
func secondly(g *wasmtest.Guest, output []byte) *wasmtest.Guest {
	g.Spare = output
	g.Process = wasmtest.Code(
		wasmtest.Unless(wasmtest.InputAt+abi.ItemKind, abi.LinkUp, wasmtest.Copy(wasmtest.OutputAt, wasmtest.SpareAt, len(output))), wasmtest.Local0)
	return g
}

// A trap takes the item that it happened on and the blocks of that call. Those before it stand, those after it go to a fresh instance.
func TestDriverTrapTakesOneItem(t *testing.T) {
	m, journal := manager(t, Options{})
	g := driverGuest(answer(0, 0, 0, 0), nil)
	// The guest traps where the first byte of an item's bytes is '!'. It sees the first item of a batch only, so each is sent alone.
	g.Process = wasmtest.Code(wasmtest.Unless(wasmtest.InputAt+abi.DriverSize, 1, wasmtest.Unless(wasmtest.InputAt+abi.ItemKind, abi.LinkUp, wasmtest.Unreachable)), wasmtest.Local0)
	load(t, m, "d", handMade(g))
	d, p := line(t, m, "d"), &driver.Peer{}
	for _, c := range []struct {
		data string
		why  drop.Reason
	}{{"a", drop.None}, {"bad", drop.DriverTrap}, {"c", drop.None}} {
		if o, _ := runOne(d, driver.Received, p, c.data); o.Why != c.why {
			t.Errorf("%q: %s, want %s", c.data, o.Why, c.why)
		}
	}
	await(t, journal, "trapped")
	if s := m.List()[0]; s.Traps != 1 || s.Instances != 1 || s.LastTrap == nil || !strings.HasSuffix(s.LastTrap.Input, "6261640000000000") {
		t.Errorf("%+v %+v", s, s.LastTrap)
	}
}

// counting is a driver that adds one to the first byte of the link's block, and of the peer's, with each call.
func counting(state string, size int) *wasmtest.Guest {
	g := driverGuest(answer(0, 0, 0, 0), map[string]any{"link_block": size, "peer_block": 8})
	g.Manifest["state"] = state
	const stateAt = 32768
	inc := func(at int) []byte { // i32.store8 at (i32.load8_u at) + 1
		return wasmtest.Code(wasmtest.Const(at), wasmtest.Const(at), []byte{0x2D, 0, 0}, wasmtest.Const(1), []byte{0x6A, 0x3A, 0, 0})
	}
	g.Process = wasmtest.Code(inc(stateAt), inc(stateAt+size), wasmtest.Local0)
	return g
}

// What the host keeps for the line and for each peer outlives a swap if the schema is the same, and is zeroed if it is not, and after a trap.
func TestDriverBlocks(t *testing.T) {
	m, _ := manager(t, Options{})
	load(t, m, "d", handMade(counting("one", 16)))
	d, p, q := line(t, m, "d"), &driver.Peer{ID: 1}, &driver.Peer{ID: 2}
	blocks := func(link, ofP, ofQ byte) {
		t.Helper()
		got := [3]byte{d.link.bytes[0], p.Kept.(*block).bytes[0], q.Kept.(*block).bytes[0]}
		if got != [3]byte{link, ofP, ofQ} {
			t.Errorf("blocks %v, want %v", got, [3]byte{link, ofP, ofQ})
		}
	}
	runOne(d, driver.Up, p, "")
	runOne(d, driver.Up, p, "")
	runOne(d, driver.Up, q, "")
	blocks(3, 2, 1)
	other := counting("one", 16)
	other.Message = "another module with the same schema"
	for _, c := range []struct {
		guest *wasmtest.Guest
		want  [3]byte
	}{{other, [3]byte{5, 3, 2}}, {counting("two", 16), [3]byte{2, 1, 1}}, {counting("two", 24), [3]byte{2, 2, 2}}} {
		if err := m.Swap(t.Context(), "d", handMade(c.guest)); err != nil {
			t.Fatal(err)
		}
		runOne(d, driver.Up, p, "")
		runOne(d, driver.Up, q, "")
		blocks(c.want[0], c.want[1], c.want[2])
	}
}

// migrating is counting that asks to be given the blocks of other schemas: it adds 100 to their first byte, unless that is 13, where it
// traps.
func migrating(state string, size int) *wasmtest.Guest {
	g := counting(state, size)
	const stateAt = 32768
	first := wasmtest.Code(wasmtest.Const(stateAt), []byte{0x2D, 0, 0})
	when := func(condition []byte, what ...[]byte) []byte { // if it holds
		return wasmtest.Code(condition, []byte{0x04, 0x40}, wasmtest.Code(what...), []byte{0x0B})
	}
	same := func(a, b []byte) []byte { return wasmtest.Code(a, b, []byte{0x46}) }
	count := g.Process[:len(g.Process)-len(wasmtest.Local0)]
	g.Words = map[int]uint32{abi.ArenaFeatures: abi.FeatureMigrate}
	g.Process = wasmtest.Code(
		when(same(wasmtest.Code(wasmtest.Const(wasmtest.InputAt+abi.ItemKind), []byte{0x2F, 1, 0}), wasmtest.Const(abi.MigrateState)),
			when(same(first, wasmtest.Const(13)), wasmtest.Unreachable),
			wasmtest.Const(stateAt), first, wasmtest.Const(100), []byte{0x6A, 0x3A, 0, 0}, wasmtest.Local0, []byte{0x0F}),
		count, wasmtest.Local0)
	return g
}

// A version with another schema converts the blocks of the one before, each once and at its next event; one that traps there begins with zeros,
// and is not asked again.
func TestDriverMigratesBlocks(t *testing.T) {
	m, journal := manager(t, Options{})
	load(t, m, "d", handMade(counting("one", 16)))
	d, p, q := line(t, m, "d"), &driver.Peer{ID: 1}, &driver.Peer{ID: 2}
	for range 3 {
		runOne(d, driver.Up, p, "")
	}
	runOne(d, driver.Up, q, "")
	at := func(p *driver.Peer) *block { return p.Kept.(*block) }
	larger := migrating("two", 24)
	larger.Manifest["driver"].(map[string]any)["peer_block"] = 16
	if err := m.Swap(t.Context(), "d", handMade(larger)); err != nil {
		t.Fatal(err)
	}
	for round := range byte(2) {
		runOne(d, driver.Up, p, "")
		if link, of := d.link.bytes, at(p).bytes; len(link) != 24 || link[0] != 105+round || of[0] != 104+round || at(q).bytes[0] != 1 {
			t.Errorf("round %d: blocks %v, %v, %v", round, link, of, at(q).bytes)
		}
	}
	r, s := &driver.Peer{ID: 3, Kept: &block{version: at(q).version, schema: at(q).schema, bytes: []byte{1, 0, 0, 0, 0, 0, 0, 0}}}, at(q)
	d.link.bytes[9] = 7
	runOne(d, driver.Up, p, "") // now it stands in the state region, where what is converted next will grow to
	if runOne(d, driver.Up, r, ""); !bytes.Equal(at(r).bytes, append([]byte{102}, make([]byte, 15)...)) {
		t.Errorf("block %v, and what it grew by is not zeros", at(r).bytes)
	}
	s.bytes[0] = 13
	if o, _ := runOne(d, driver.Up, q, ""); o.Why != drop.DriverTrap {
		t.Errorf("%+v", o)
	}
	await(t, journal, "replaced")
	if at(q).bytes[0] != 0 || at(p).bytes[0] != 106 {
		t.Errorf("blocks %v and %v after a trap while one was converted", at(q).bytes, at(p).bytes)
	}
	if o, _ := runOne(d, driver.Up, q, ""); o.Why != drop.None || at(q).bytes[0] != 1 {
		t.Errorf("%+v, block %v", o, at(q).bytes)
	}
}

// A trap takes the blocks of its call, the line's and those of its peers; what another peer has stays.
func TestDriverTrapTakesBlocks(t *testing.T) {
	m, journal := manager(t, Options{})
	g := counting("one", 16)
	g.Process = wasmtest.Code(g.Process[:len(g.Process)-len(wasmtest.Local0)],
		wasmtest.Unless(wasmtest.InputAt+abi.ItemKind, abi.LinkUp, wasmtest.Unreachable), wasmtest.Local0)
	load(t, m, "d", handMade(g))
	d, p, q := line(t, m, "d"), &driver.Peer{ID: 1}, &driver.Peer{ID: 2}
	for _, of := range []*driver.Peer{p, p, q} {
		runOne(d, driver.Up, of, "")
	}
	blocks := func() [3]byte { return [3]byte{d.link.bytes[0], p.Kept.(*block).bytes[0], q.Kept.(*block).bytes[0]} }
	if got := blocks(); got != [3]byte{3, 2, 1} {
		t.Fatalf("%v", got)
	}
	if o, _ := runOne(d, driver.Received, p, "x"); o.Why != drop.DriverTrap {
		t.Errorf("%+v", o)
	}
	if got := blocks(); got != [3]byte{0, 0, 1} {
		t.Errorf("%v after a trap", got)
	}
	await(t, journal, "replaced")
	runOne(d, driver.Up, q, "")
	if got := blocks(); got != [3]byte{1, 0, 2} {
		t.Errorf("%v after the next event", got)
	}
}

// fickle makes a guest whose later instances describe a state region of no size: each call keeps a value, which init looks for.
func fickle(g *wasmtest.Guest) *wasmtest.Guest {
	four := []byte{wasmtest.I32, wasmtest.I32, wasmtest.I32, wasmtest.I32}
	for _, name := range []string{abi.ImportStateGet, abi.ImportStateSet} {
		g.Imports = append(g.Imports, wasmtest.Import{Module: abi.ImportModule, Name: name, Params: four, Results: []byte{wasmtest.I32}})
	}
	some := wasmtest.Code(wasmtest.Const(wasmtest.DescriptionAt), wasmtest.Const(1))                                                  // key and value: any byte
	g.Init = wasmtest.Code(some, wasmtest.Const(0), wasmtest.Const(0), wasmtest.Call(1), wasmtest.Const(1), []byte{0x46, 0x04, 0x40}, // if it has one byte
		wasmtest.Store(wasmtest.DescriptionAt+abi.ArenaState+4, 0), []byte{0x0B}, wasmtest.Const(wasmtest.DescriptionAt))
	g.Process = wasmtest.Code(some, some, wasmtest.Call(2), wasmtest.Drop, wasmtest.Local0)
	return g
}

// Every instance must have room for the blocks, not only the first: a driver with a capability can tell them apart.
func TestEachInstanceHasRoomForBlocks(t *testing.T) {
	m, _ := manager(t, Options{})
	g := fickle(driverGuest(answer(0, 0, 0, 0), map[string]any{"link_block": 16, "peer_block": 8}))
	if err := m.Load(t.Context(), Spec{Name: "d", Source: handMade(g), Grants: []string{engine.CapState}}); err != nil {
		t.Fatal(err)
	}
	if o, _ := runOne(line(t, m, "d"), driver.Up, &driver.Peer{}, ""); o.Why != drop.None {
		t.Fatalf("%+v", o)
	}
	if _, err := m.Driver(t.Context(), "d"); err == nil || !strings.Contains(err.Error(), "the state region has 0 bytes, want at least 528") {
		t.Error(err)
	}
}

// Versions take turns while a line works without a pause: no item is lost.
func TestDriverSwapWhileALineWorks(t *testing.T) {
	m, _ := manager(t, Options{})
	versions := []Source{handMade(counting("one", 16)), handMade(counting("one", 16))}
	versions[1] = handMade(func() *wasmtest.Guest { g := counting("one", 16); g.Message = "other"; return g }())
	load(t, m, "d", versions[0])
	d := line(t, m, "d")
	stop, done := make(chan bool), make(chan uint64)
	go func() {
		p, r, n := &driver.Peer{}, driver.Result{}, uint64(0)
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			d.Run(0, []driver.Item{{Kind: driver.Received, Peer: p}}, &r)
			if r.Outcomes[0].Why != drop.None {
				t.Errorf("%+v", r.Outcomes[0])
			}
			n++
		}
	}()
	for k := range 40 {
		if err := m.Swap(t.Context(), "d", versions[(k+1)%2]); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	n := <-done
	if s := m.List()[0]; s.Calls != n || s.Traps != 0 || s.Instances != 1 || d.link.bytes[0] != byte(n) {
		t.Errorf("%d calls of %d, %d instances, the block counts %d", s.Calls, n, s.Instances, d.link.bytes[0])
	}
	changed := counting("one", 16)
	changed.Manifest["driver"].(map[string]any)["mtu"] = 64
	if err := m.Swap(t.Context(), "d", handMade(changed)); err == nil || !strings.Contains(err.Error(), "close the faces first") {
		t.Errorf("%v", err)
	}
}

// A driver that never answers is stopped by its fuel: for each item and byte a bound, whatever the batch.
func TestDriverRunaway(t *testing.T) {
	m, journal := manager(t, Options{})
	g := driverGuest(answer(0, 0, 0, 0), nil)
	g.Process = wasmtest.Code(wasmtest.Unless(wasmtest.InputAt+abi.ItemKind, abi.LinkUp, wasmtest.Forever), wasmtest.Local0)
	load(t, m, "d", handMade(g))
	if o, _ := runOne(line(t, m, "d"), driver.Received, &driver.Peer{}, "x"); o.Why != drop.DriverTrap {
		t.Errorf("%+v", o)
	}
	if e := await(t, journal, "trapped"); !strings.Contains(e.Why, "fuel") {
		t.Errorf("%+v", e)
	}
}
