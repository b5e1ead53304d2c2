package plugin

import (
	"errors"
	"slices"
	"testing"

	"github.com/zmesh/zmesh/faces/driver"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// More commands, frames or records for one item than [plugins.limits] output allows are a trap, and counted; as many as it allows are none.
func TestOutputLimit(t *testing.T) {
	command := []byte{abi.SendAll, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	var record []byte
	for _, name := range []string{"a", "b"} {
		var err error
		if record, err = abi.AppendRecord(record, &abi.Record{Tag: abi.TagValue, Type: uint8(Bool), Name: []byte(name), Channel: NoChannel}); err != nil {
			t.Fatal(err)
		}
	}
	strategy := sender(10)
	strategy.MinPages, strategy.Spare = 3, wasmtest.Item(abi.StatusOK, 2, slices.Concat(command, command)...)
	strategy.Process = wasmtest.Code( // the first event is the host's, with the FSEQ 1
		wasmtest.Unless(wasmtest.InputAt+abi.EventSeq, 1, wasmtest.Copy(wasmtest.OutputAt, wasmtest.SpareAt, len(strategy.Spare))), wasmtest.Local0)
	frames := answer(0, 0, 0, 0, outRecord(abi.TagFrame, 0, "one"), outRecord(abi.TagFrame, 0, "two"))
	for name, c := range map[string]struct {
		guest *wasmtest.Guest
		use   func(m *Manager)
	}{
		"strategy": {strategy, func(m *Manager) { strategyOf(t, m, "p", 0).Decide(twoHops(), nil) }},
		"driver":   {secondly(driverGuest(answer(0, 0, 0, 0), nil), frames), func(m *Manager) { runOne(line(t, m, "p"), driver.Received, &driver.Peer{}, "x") }},
		"decoder": {decoderGuest(wasmtest.Item(abi.StatusOK, 2, record...)), func(m *Manager) {
			_, err := m.Decode(t.Context(), "p", Request{Payload: []byte{1}})
			if got := m.List()[0].Limits["output"]; (got > 0) != errors.Is(err, engine.ErrOutput) {
				t.Errorf("%v, and counted %d times", err, got)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for limit, traps := range map[int]uint64{1: 1, 2: 0} {
				m, journal := manager(t, Options{})
				if err := m.Load(t.Context(), Spec{Name: "p", Source: handMade(c.guest), Limits: Limits{Output: limit}}); err != nil {
					t.Fatal(err)
				}
				c.use(m)
				if traps > 0 {
					await(t, journal, "trapped")
				}
				if s := m.List()[0]; s.Limits["output"] != traps || s.Traps != traps {
					t.Errorf("output = %d: %d counted, %d traps, want %d (%+v)", limit, s.Limits["output"], s.Traps, traps, s.LastTrap)
				}
			}
		})
	}
}
