package guest

import (
	"math"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Wanted is what an encoder works on: values that are to become a payload, a command to a device. It is valid while Encode runs.
type Wanted struct {
	Values    []Value // at least one; the host has checked names, units and numbers
	Port      uint16  // that the payload will travel on; 0: the encoder's choice
	Now       int64   // Unix ms; 0: unknown
	Variables Values  // per-device constants
}

// Encoder is a decoder that can go the way back. It gives one payload for all values, or fails: half of a command is none.
type Encoder interface {
	Decoder
	Encode(*Wanted, *Encoded)
}

// Describer is a decoder that says what there can be in its payloads. The host asks once, right after Configure.
type Describer interface {
	Describe(*Schema)
}

// Encoded takes what an encoder makes.
type Encoded struct{ records *Records }

// Payload gives the payload, and the port that it must travel on; 0: any.
func (e *Encoded) Payload(b []byte, port uint16) {
	if out := e.records.room(abi.Align(abi.NoteFixed + len(b))); out != nil {
		out[abi.RecordTag] = abi.TagPayload
		put16(out, abi.NoteText, uint16(len(b)))
		put16(out, abi.NotePort, port)
		copy(out[abi.NoteFixed:], b)
	}
}

// Warn says that something about the values is odd, though there is a payload.
func (e *Encoded) Warn(text string) { e.records.Warn(text) }

// Fail says that the values cannot be encoded, and why. A payload given before or after is dropped.
func (e *Encoded) Fail(text string) { e.records.Fail(text) }

// Schema takes what a decoder describes.
type Schema struct{ records *Records }

// Decodes says that the decoder gives values like this one: its name, unit, type, channel, measure. See [Schema.Both].
func (s *Schema) Decodes(like Value, help string) { s.add(&like, abi.FieldDecoded, help) }

// Encodes says that the encoder takes values like this one.
func (s *Schema) Encodes(like Value, help string) { s.add(&like, abi.FieldEncoded, help) }

// Both says that values like this one are decoded and encoded. The empty name stands for all names, and with it the empty unit for all
// units; a value made by [NotAvailable] for all types; the channel [abi.AnyChannel] for all channels.
func (s *Schema) Both(like Value, help string) {
	s.add(&like, abi.FieldDecoded|abi.FieldEncoded, help)
}

func (s *Schema) add(like *Value, use uint64, help string) {
	s.records.write(abi.TagField, like, use, cut(help))
}

// features are what the decoder relies on the host for.
func (p *decoderPlugin) features() (bits uint64) {
	if _, ok := p.decoder.(Describer); ok {
		bits |= abi.FeatureDescribe
	}
	if _, ok := p.decoder.(Encoder); ok {
		bits |= abi.FeatureEncode
	}
	return bits
}

// encode runs the encoder on an item whose payload is records.
func (p *decoderPlugin) encode(in []byte, payload *Payload, r *Records) bool {
	e, ok := p.decoder.(Encoder)
	if !ok {
		return false
	}
	list, err := abi.ReadRecords(payload.Bytes, int(get16(in, abi.EncodeCount)))
	if err != nil {
		return false
	}
	w := Wanted{Port: payload.Port, Now: payload.Received, Variables: payload.Variables, Values: make([]Value, 0, len(list))}
	for i := range list {
		if list[i].Tag != abi.TagValue {
			return false
		}
		w.Values = append(w.Values, valueOf(&list[i]))
	}
	e.Encode(&w, &Encoded{r})
	return true
}

// valueOf makes a value of a record.
func valueOf(r *abi.Record) Value {
	v := Value{
		Name: string(r.Name), Unit: string(r.Unit), Channel: r.Channel, Type: r.Type, Text: string(r.Value),
		Offset: r.Offset, Measure: r.Measure, Statistic: r.Statistic,
	}
	switch r.Type {
	case abi.TypeNumber:
		v.Number = math.Float64frombits(r.Bits)
	case abi.TypeBool:
		v.Bool = r.Bits != 0
	}
	return v
}
