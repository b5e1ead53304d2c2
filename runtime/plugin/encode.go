package plugin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// EncodeRequest is what a payload is to be made of.
type EncodeRequest struct {
	Records   []Record
	Port      uint16         // that the payload will travel on; 0: the decoder's choice
	Now       time.Time      // zero: unknown
	Variables map[string]any // per-device constants, as in Request
}

// Encoded is a payload. With errors there is none: half of a command is none.
type Encoded struct {
	Payload  []byte
	Port     uint16 // that it must travel on; 0: any
	Warnings []string
	Errors   []string
}

// Errors of Encode and Describe that a caller may decide on.
var (
	ErrNoEncode   = errors.New("the decoder does not encode")
	ErrNoDescribe = errors.New("the decoder does not describe itself")
)

// Encode goes the way back: records to a payload, through the decoder's pool like Decode. Records that cannot be, or that the decoder
// does not describe as encoded, are an error before the plugin sees any.
func (m *Manager) Encode(ctx context.Context, name string, req EncodeRequest) (e Encoded, err error) {
	err = m.decoder(ctx, name, func() uint64 { return keyOf(fmt.Append(nil, "encode ", req)) }, func(v *version, i *engine.Instance) error {
		e, err = encode(v, i, &req)
		return err
	})
	if err != nil {
		return Encoded{}, fmt.Errorf("encode with %q: %w", name, err)
	}
	return e, nil
}

func encode(v *version, i *engine.Instance, req *EncodeRequest) (Encoded, error) {
	if i.Features()&abi.FeatureEncode == 0 {
		return Encoded{}, ErrNoEncode
	}
	list, err := v.wanted(req.Records)
	if err != nil {
		return Encoded{}, err
	}
	variables, err := encodeVariables(req.Variables)
	if err != nil {
		return Encoded{}, err
	}
	item, err := abi.AppendEncode(nil, req.Port, milli(req.Now), variables, list)
	if err == nil {
		err = writeItem(i.Input(), item, "records")
	}
	if err != nil {
		return Encoded{}, err
	}
	out, _, err := callDecoder(i, abi.TagPayload)
	if err != nil {
		return Encoded{}, err
	}
	return acceptPayload(i, out)
}

// acceptPayload takes an encoder's answer apart: one payload, or errors.
func acceptPayload(i *engine.Instance, out []abi.Record) (e Encoded, err error) {
	payloads := 0
	for k := range out {
		switch r := &out[k]; r.Tag {
		case abi.TagWarning:
			e.Warnings = append(e.Warnings, note(r.Value))
		case abi.TagError:
			e.Errors = append(e.Errors, note(r.Value))
		default:
			payloads++
			e.Payload, e.Port = append([]byte{}, r.Value...), uint16(r.Bits)
		}
	}
	if len(e.Errors) > 0 {
		e.Payload, e.Port = nil, 0
		return e, nil
	}
	if payloads != 1 {
		return Encoded{}, i.Fail(0, 1, fmt.Errorf("it gave %d payloads and no error, want one of them", payloads))
	}
	return e, nil
}

// wanted checks records by the same rules as those that a decoder gives, and by the decoder's schema.
func (v *version) wanted(records []Record) ([]abi.Record, error) {
	if len(records) == 0 {
		return nil, errors.New("there is nothing to encode")
	}
	list := make([]abi.Record, len(records))
	for k := range records {
		r := &records[k]
		list[k] = r.write()
		if _, why := record(&list[k]); why != "" {
			return nil, fmt.Errorf("%s: %s", quote(r.Name), why)
		}
		if !v.schema.covers(r, abi.FieldEncoded) {
			return nil, fmt.Errorf("it does not encode %s; it encodes %s", r.what(), v.schema.encodes())
		}
	}
	return list, nil
}

// write gives a record in the contract's form.
func (r *Record) write() abi.Record {
	w := abi.Record{
		Tag: abi.TagValue, Type: uint8(r.Type), Channel: r.Channel, Offset: r.Offset.Milliseconds(), Measure: uint8(r.Measure),
		Statistic: uint8(r.Statistic), Name: []byte(r.Name), Unit: []byte(r.Unit),
	}
	if !r.Time.IsZero() {
		w.Offset = r.Time.UnixMilli()
	}
	switch r.Type {
	case Number:
		w.Bits = math.Float64bits(r.Number)
	case Text:
		w.Value = []byte(r.Text)
	case Bool:
		if r.Bool {
			w.Bits = 1
		}
	case Bytes:
		w.Value = r.Bytes
	}
	return w
}
