package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/plugin"
)

// valuePayload is what pub --value publishes: the values encoded by the stream's decoder, or a number as text where there is none.
func (s *session) valuePayload(ctx context.Context, values []string) ([]byte, error) {
	st := s.cfg.Stream(s.name)
	if st != nil && st.Decoder != "" {
		return s.dec.encode(ctx, st, s.name, values)
	}
	if len(values) > 1 {
		return nil, usage("--value more than once wants a stream with a decoder in %s", s.cfg.File)
	}
	if _, err := strconv.ParseFloat(values[0], 64); err != nil {
		return nil, usage("--value %q is no number, and %s has no decoder for the name that would encode something else", values[0], s.cfg.File)
	}
	return []byte(values[0]), nil
}

// encode makes a payload of values for a stream, with the port before them where the stream has it there.
func (d *decoders) encode(ctx context.Context, s *config.Stream, n name.Name, values []string) ([]byte, error) {
	if err := d.load(ctx, s.Decoder); err != nil {
		return nil, err
	}
	uri, _ := d.cfg.URI(n)
	list, err := assign(d.manager, s.Decoder, values, uri[strings.LastIndexByte(uri, '/')+1:])
	if err != nil {
		return nil, err
	}
	got, err := d.manager.Encode(ctx, s.Decoder, plugin.EncodeRequest{Records: list, Port: uint16(s.Port), Now: time.Now(), Variables: s.Variables})
	switch {
	case err != nil:
		return nil, noEncoder(err)
	case len(got.Errors) > 0:
		return nil, fmt.Errorf("%s cannot encode this: %s", s.Decoder, strings.Join(got.Errors, "; "))
	case s.PortFirst && (got.Port == 0 || got.Port > 255):
		return nil, fmt.Errorf("the stream has its port in the payload, and %s gives none from 1 to 255", s.Decoder)
	case s.PortFirst:
		return append([]byte{byte(got.Port)}, got.Payload...), nil
	case s.Port != 0 && got.Port != 0 && got.Port != uint16(s.Port):
		return nil, fmt.Errorf("%s wants port %d for this, and the stream has port %d", s.Decoder, got.Port, s.Port)
	}
	return got.Payload, nil
}

// assign makes records of values as they are written on the command line.
func assign(m *plugin.Manager, decoder string, values []string, hint string) (list []plugin.Record, err error) {
	schema, err := m.Describe(decoder)
	if err != nil && !errors.Is(err, plugin.ErrNoDescribe) {
		return nil, err
	}
	if schema != nil && !schema.CanEncode() {
		return nil, noEncoder(fmt.Errorf("%s: %w", decoder, plugin.ErrNoEncode))
	}
	for _, v := range values {
		r, err := schema.Assign(v, hint)
		if err != nil {
			return nil, usage("%q: %w", v, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// noEncoder says what to do about a decoder that does not encode.
func noEncoder(err error) error {
	if errors.Is(err, plugin.ErrNoEncode) {
		return fmt.Errorf("%w: give the payload as it is, in hex", err)
	}
	return err
}

// printEncoded prints a payload; errors make the command fail.
func (t *tools) printEncoded(got *plugin.Encoded) error {
	for _, w := range got.Warnings {
		fmt.Fprintln(t.errOut, "warning:", w)
	}
	if len(got.Errors) > 0 {
		return fmt.Errorf("it cannot be encoded: %s", strings.Join(got.Errors, "; "))
	}
	if t.json {
		return json.NewEncoder(t.out).Encode(map[string]any{"payload": hex.EncodeToString(got.Payload), "port": got.Port})
	}
	_, err := fmt.Fprintf(t.out, "%x\n", got.Payload)
	return err
}

// fieldLine is a quantity that a decoder describes, for people and as JSON.
type fieldLine struct {
	Name    string `json:"name"` // empty: any
	Unit    string `json:"unit"`
	Type    string `json:"type"`
	Channel string `json:"channel"` // empty: none
	Decoded bool   `json:"decoded"`
	Encoded bool   `json:"encoded"`
	Help    string `json:"help"`
}

func fieldLines(s plugin.Schema) []fieldLine {
	list := []fieldLine{}
	for _, f := range s {
		l := fieldLine{f.Name, f.Unit, f.Type.String(), "", f.Decoded, f.Encoded, f.Help}
		switch {
		case f.Channel == plugin.AnyChannel:
			l.Channel = "any"
		case f.Channel != plugin.NoChannel:
			l.Channel = strconv.Itoa(int(f.Channel))
		}
		list = append(list, l)
	}
	return list
}

// describe prints the schema of a decoder, one quantity a line.
func (t *tools) describe(m *plugin.Manager, decoder string) error {
	s, err := m.Describe(decoder)
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(fieldLines(s))
	}
	t.fieldTable(fieldLines(s))
	return nil
}

// fieldTable prints described quantities as a table.
func (e *env) fieldTable(lines []fieldLine) {
	e.table("QUANTITY UNIT TYPE CHANNEL WAYS HELP", func(add func(...any)) {
		for _, l := range lines {
			ways := "decode"
			if l.Encoded && l.Decoded {
				ways = "both"
			} else if l.Encoded {
				ways = "encode"
			}
			add(or(l.Name, "(any)"), or(l.Unit, "-"), l.Type, or(l.Channel, "-"), ways, or(l.Help, "-"))
		}
	})
}
