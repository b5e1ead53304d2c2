package guest

import (
	"encoding/binary"
	"reflect"
	"testing"
	"unsafe"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// keeper notes each event and counts in both blocks.
type keeper struct{ events []Event }

func (*keeper) Configure(Values) error { return nil }

func (*keeper) Needs() Needs { return abi.FeatureScratch | abi.FeatureMeasures }

func (k *keeper) Decide(ev *Event, do *Commands) {
	seen := *ev
	seen.Hops = append([]Hop(nil), ev.Hops...)
	seen.Route, seen.Pending = nil, nil
	k.events = append(k.events, seen)
	if ev.Route != nil {
		ev.Route.PutUint32(4, ev.Route.Uint32(4)+1)
	}
	if ev.Pending != nil {
		ev.Pending.PutInt64(56, ev.Pending.Int64(56)-1)
	}
	do.Repeat(5_000_000)
	do.Timer(-1)
}

// Migrate reads what version 1 kept, at another place.
func (*keeper) Migrate(from uint64, route, pending Scratch) bool {
	if from != abi.SchemaID("keeper/1") || pending != nil {
		return false
	}
	route.PutUint32(4, route.Uint32(0))
	route.PutUint32(0, 0)
	return true
}

// Every field of the layout is read from where the layout has it.
func TestEventFields(t *testing.T) {
	le := binary.LittleEndian
	b := make([]byte, abi.EventFixed+abi.HopSize)
	le.PutUint32(b, uint32(len(b)))
	le.PutUint16(b[4:], abi.FaceChange)
	le.PutUint16(b[6:], abi.EventFixed)
	le.PutUint64(b[8:], 11)
	copy(b[16:], []byte{1, 2, 3, 4, 5, 6, 7, 4})
	le.PutUint32(b[24:], 0xFFFFFF)
	le.PutUint32(b[28:], 0x10002)
	le.PutUint16(b[32:], 24)
	le.PutUint16(b[34:], 1)
	le.PutUint32(b[36:], 9)
	le.PutUint64(b[40:], 12)
	le.PutUint16(b[48:], 60)
	b[50], b[51], b[52], b[53] = 1, 0x17, 3, abi.FaceBroadcast
	le.PutUint16(b[54:], 0x10000-87)
	le.PutUint32(b[56:], 0x30004)
	le.PutUint32(b[60:], 0xDEADBEEF)
	b[64], b[65] = 2, abi.FactUp
	hop := b[72:]
	le.PutUint32(hop, 77)
	le.PutUint16(hop[4:], 5)
	le.PutUint16(hop[6:], abi.HopMeasured)
	le.PutUint32(hop[8:], 1500)
	le.PutUint32(hop[12:], 20)
	le.PutUint32(hop[16:], 3)
	le.PutUint16(hop[20:], 6553)
	le.PutUint16(hop[22:], 4)
	k := &keeper{}
	p := newStrategyPlugin(k)
	in, out := p.regions()
	copy(in, b)
	if p.process(1) != 1 {
		t.Fatal("not done")
	}
	want := Event{
		Kind: abi.FaceChange, Name: [6]byte{1, 2, 3, 4, 5, 6}, Now: 11, Expiry: 12, Seq: 0xFFFFFF, InFace: 0x10002, Face: 0x30004,
		Random: 0xDEADBEEF, Length: 60, Signal: -87, Type: 1, FHDR: 0x17, KeyID: 3, InKind: abi.FaceBroadcast, TTL: 7, Reason: 4,
		Prefix: 2, Up: true, More: 9, Hops: []Hop{{77, 5, abi.HopMeasured, 1500, 20, 3, 6553, 4}},
	}
	if !reflect.DeepEqual(k.events[0], want) {
		t.Errorf("%+v, want %+v", k.events[0], want)
	}
	commands := out[abi.OutHead:]
	if commands[0] != abi.Repeat || le.Uint64(commands[8:]) != 5_000_000 || commands[16] != abi.SetTimer || int64(le.Uint64(commands[24:])) != -1 {
		t.Errorf("commands % x", commands[:32])
	}
}

// In wasm the host writes the fixed part and the next hops follow, so the fields must stand where the layout has them.
func TestEventIsLaidOutLikeItsItem(t *testing.T) {
	var p strategyPlugin
	if end := unsafe.Offsetof(p.event) + unsafe.Sizeof(p.event); unsafe.Offsetof(p.in) != end {
		t.Errorf("the next hops are at %d and the event ends at %d", unsafe.Offsetof(p.in), end)
	}
	var e Event
	for name, at := range map[string][2]uintptr{
		"Now": {unsafe.Offsetof(e.Now), abi.EventTime}, "Name": {unsafe.Offsetof(e.Name), abi.EventName}, "Seq": {unsafe.Offsetof(e.Seq), abi.EventSeq},
		"hopSize": {unsafe.Offsetof(e.hopSize), abi.EventHopSize}, "More": {unsafe.Offsetof(e.More), abi.EventMore}, "Expiry": {unsafe.Offsetof(e.Expiry), abi.EventExpiry},
		"Length": {unsafe.Offsetof(e.Length), abi.EventLength}, "Type": {unsafe.Offsetof(e.Type), abi.EventType}, "InKind": {unsafe.Offsetof(e.InKind), abi.EventInKind},
		"Signal": {unsafe.Offsetof(e.Signal), abi.EventSignal}, "Face": {unsafe.Offsetof(e.Face), abi.EventFace}, "Random": {unsafe.Offsetof(e.Random), abi.EventRandom},
		"Prefix": {unsafe.Offsetof(e.Prefix), abi.EventPrefix}, "facts": {unsafe.Offsetof(e.facts), abi.EventFacts}, "its end": {unsafe.Sizeof(e), abi.EventFixed},
	} {
		if at[0]-unsafe.Offsetof(e.size) != at[1] {
			t.Errorf("%s is at %d from size on, want %d", name, at[0]-unsafe.Offsetof(e.size), at[1])
		}
	}
}

// Each item of a batch has blocks of its own, or that of a route which was there before, and only those that the host says are there.
func TestBlocks(t *testing.T) {
	p := newStrategyPlugin(&keeper{})
	in, _ := p.regions()
	state := p.state()
	items := in
	for i, facts := range []byte{abi.FactRoute | abi.FactPending, 0, abi.FactPending, abi.FactRoute, abi.FactRoute, abi.FactRoute} {
		b := event(abi.EventFixed, abi.HopSize)
		b[abi.EventFacts] = facts
		b[abi.EventShares] = []byte{0, 0, 0, 0, 4, 6}[i]
		copy(items, b)
		items = items[len(b):]
	}
	state[4] = 41
	if n := p.process(6); n != 6 {
		t.Fatalf("%d items of 6", n)
	}
	at := func(i int) Scratch { return Scratch(state[i*abi.ScratchSize:]) }
	if at(0).Uint32(4) != 43 || // by the fourth too
		at(0).Int64(abi.ScratchRoute+56) != -1 {
		t.Errorf("the first item's: %d, %d", at(0).Uint32(4), at(0).Int64(abi.ScratchRoute+56))
	}
	if at(1).Uint32(4) != 0 || at(1).Int64(abi.ScratchRoute+56) != 0 {
		t.Error("blocks that are not there were written to")
	}
	if at(2).Uint32(4) != 0 || at(2).Int64(abi.ScratchRoute+56) != -1 {
		t.Error("the third item's")
	}
	if at(3).Uint32(4) != 0 || at(4).Uint32(4) != 1 || at(5).Uint32(4)+at(6).Uint32(4) != 0 {
		t.Error("one that shares a block, one that has its own, and one that would share one behind it")
	}
}

func TestMigrate(t *testing.T) {
	item := func(from uint64, which uint32) []byte {
		b := make([]byte, abi.MigrateSize)
		binary.LittleEndian.PutUint32(b, abi.MigrateSize)
		binary.LittleEndian.PutUint16(b[4:], abi.MigrateState)
		binary.LittleEndian.PutUint64(b[abi.MigrateFrom:], from)
		binary.LittleEndian.PutUint32(b[abi.MigrateWhich:], which)
		return b
	}
	for name, c := range map[string]struct {
		s      Strategy
		item   []byte
		status uint16
	}{
		"route":             {&keeper{}, item(abi.SchemaID("keeper/1"), 0), abi.StatusOK},
		"pending":           {&keeper{}, item(abi.SchemaID("keeper/1"), 1), abi.StatusFailed},
		"unknown schema":    {&keeper{}, item(1, 0), abi.StatusFailed},
		"cannot":            {echo{}, item(abi.SchemaID("keeper/1"), 0), abi.StatusFailed},
		"no such kind, but": {&keeper{}, item(1, 0)[:16], abi.StatusFailed},
	} {
		p := newStrategyPlugin(c.s)
		in, out := p.regions()
		state := p.state()
		copy(in, c.item)
		if len(state) > 0 {
			state[0] = 7
		}
		p.process(1)
		if got := get16(out, abi.OutStatus); got != c.status {
			t.Errorf("%s: status %d", name, got)
		}
		if c.status == abi.StatusOK && (state[0] != 0 || state[4] != 7) {
			t.Errorf("%s: % x", name, state[:8])
		}
	}
	if n := newStrategyPlugin(&keeper{}).features(); n != abi.FeatureScratch|abi.FeatureMeasures|abi.FeatureMigrate|abi.FeatureBatch {
		t.Errorf("features %#x", n)
	}
	if n := newStrategyPlugin(echo{}).features(); n != abi.FeatureBatch {
		t.Errorf("features %#x of a strategy that asks for nothing", n)
	}
}
