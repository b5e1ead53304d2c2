package guest

import (
	"encoding/binary"
	"errors"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Decoded is what a decoder gave natively, taken apart again from the bytes that a host would see.
type Decoded struct {
	Records  []abi.Record // values, fields, payloads, warnings and errors in order
	Consumed int
}

// RunDecoder configures a decoder and hands it one payload, through the same bytes as in wasm: for native tests.
func RunDecoder(d Decoder, config Values, port uint16, received int64, variables []abi.Value, payload []byte) (Decoded, error) {
	in, err := abi.AppendPayload(nil, port, received, variables, payload)
	if err != nil {
		return Decoded{}, err
	}
	return runItem(d, config, in)
}

// RunEncoder configures an encoder and hands it values, through the same bytes as in wasm: for native tests. The payload is a record of
// its own, with [abi.TagPayload].
func RunEncoder(e Encoder, config Values, port uint16, now int64, variables []abi.Value, records []abi.Record) (Decoded, error) {
	in, err := abi.AppendEncode(nil, port, now, variables, records)
	if err != nil {
		return Decoded{}, err
	}
	return runItem(e, config, in)
}

// RunDescribe configures a decoder and asks it for its schema: records with [abi.TagField].
func RunDescribe(d Decoder, config Values) (Decoded, error) {
	return runItem(d, config, abi.AppendDescribe(nil))
}

func runItem(d Decoder, config Values, in []byte) (Decoded, error) {
	p := &decoderPlugin{decoder: d}
	if err := p.configure(config); err != nil {
		return Decoded{}, err
	}
	_, out := p.regions()
	item := out[:p.item(in, out)]
	if binary.LittleEndian.Uint16(item[abi.OutStatus:]) != abi.StatusOK {
		return Decoded{}, errors.New("the decoder has no answer: too many or too long records, or it does not do that")
	}
	records, err := abi.ReadRecords(item[abi.OutHead:], int(binary.LittleEndian.Uint16(item[abi.OutCount:])))
	return Decoded{records, int(binary.LittleEndian.Uint32(item[abi.OutConsumed:]))}, err
}

// Command is one command of a strategy, taken apart: for native tests.
type Command struct {
	Op, N, Reason uint8
	Face          uint32
	Delay         int64 // ns, of Repeat and SetTimer
}

// RunStrategy hands one event to a strategy that is configured, and gives its commands: for native tests.
func RunStrategy(s Strategy, ev Event) []Command {
	var room commandRoom
	do := Commands{out: &room}
	s.Decide(&ev, &do)
	list := make([]Command, 0, do.n)
	for k := range room[:do.n] {
		b := bytesOf(room[k][:])
		list = append(list, Command{
			Op: b[abi.CommandOp], N: b[abi.CommandN], Reason: b[abi.CommandReason],
			Face: binary.LittleEndian.Uint32(b[abi.CommandFace:]), Delay: int64(binary.LittleEndian.Uint64(b[abi.CommandDelay:])),
		})
	}
	return list
}

// Machine is a plugin that runs natively, over the same regions and the same bytes as in a node: for native tests, see
// sdk/guest/script.
type Machine struct{ p plugin }

// Native puts a [Strategy] or a [Driver] on a machine and configures it.
func Native(p any, config Values) (*Machine, error) {
	m := &Machine{}
	switch p := p.(type) {
	case Strategy:
		m.p = newStrategyPlugin(p)
	case Driver:
		m.p = newDriverPlugin(p)
	default:
		return nil, errors.New("this is no plugin that takes events")
	}
	return m, m.p.configure(config)
}

// Input is the region that items are written to.
func (m *Machine) Input() []byte { in, _ := m.p.regions(); return in }

// State is the region of what the host keeps for it; nil: none.
func (m *Machine) State() []byte {
	if p, ok := m.p.(interface{ state() []byte }); ok {
		return p.state()
	}
	return nil
}

// Features are the feature bits that it relies on.
func (m *Machine) Features() uint64 {
	if p, ok := m.p.(interface{ features() uint64 }); ok {
		return p.features()
	}
	return 0
}

// Call hands over n items of the input region. It gives the output region; ok is false if the plugin could not read the input.
func (m *Machine) Call(n int) (out []byte, ok bool) {
	_, out = m.p.regions()
	return out, m.p.process(uint32(n)) == uint32(n)
}
