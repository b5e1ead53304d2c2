package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/plugin"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
	"github.com/zmesh/zmesh/sdk/node"
)

// errNoDecoder says that the configuration has none for a name.
var errNoDecoder = errors.New("no decoder")

// decoders runs the decoders of a configuration's streams in this process: the tool has the keys, a forwarder does not.
type decoders struct {
	cfg     *config.Config
	manager *plugin.Manager
	loaded  map[string]error
}

func newDecoders(cfg *config.Config) *decoders {
	return &decoders{cfg: cfg, loaded: map[string]error{}}
}

// Close ends them.
func (d *decoders) Close() error {
	if d.manager == nil {
		return nil
	}
	return d.manager.Close()
}

// decode runs the decoder of a content's stream on its payload.
func (d *decoders) decode(ctx context.Context, c *node.Content, plain []byte) (plugin.Decoded, error) {
	s := d.cfg.Stream(c.Name)
	if s == nil || s.Decoder == "" {
		return plugin.Decoded{}, fmt.Errorf("%w for %s in %s", errNoDecoder, c.Name, d.cfg.File)
	}
	if err := d.load(ctx, s.Decoder); err != nil {
		return plugin.Decoded{}, err
	}
	req := plugin.Request{Payload: plain, Port: uint16(s.Port), Received: c.Received, Variables: s.Variables}
	if s.PortFirst && len(plain) > 0 {
		req.Port, req.Payload = uint16(plain[0]), plain[1:]
	}
	return d.manager.Decode(ctx, s.Decoder, req)
}

// load brings up a decoder once: one of [[plugins]], or one that ships in the binary.
func (d *decoders) load(ctx context.Context, name string) (err error) {
	if err, tried := d.loaded[name]; tried {
		return err
	}
	if d.manager == nil {
		if d.manager, err = plugin.NewManager(plugin.Options{Workers: 1, Pool: 1, Interpret: true}); err != nil {
			return err
		}
	}
	spec := plugin.Spec{Name: name, Source: plugin.Source{Builtin: name}}
	if p := d.cfg.Plugin(name); p != nil {
		spec.Source, spec.Grants, spec.Config = plugin.Source{Path: p.Path, Builtin: p.Builtin}, p.Grant, p.Config
	}
	err = d.manager.Load(ctx, spec)
	d.loaded[name] = err
	return err
}

func senMLRecord(r *plugin.Record) senML {
	out := senML{Name: r.Name, Unit: r.Unit, Time: r.Offset.Seconds()}
	if !r.Time.IsZero() {
		out.Time = float64(r.Time.UnixMilli()) / 1000
	}
	if r.Channel != plugin.NoChannel {
		out.Name = fmt.Sprintf("%s_%d", r.Name, r.Channel)
	}
	if r.Statistic != plugin.NoStatistic && r.Statistic != plugin.Sum { // SenML has a place for sums only
		out.Name += "." + vectors.Statistics[r.Statistic]
	}
	switch r.Type {
	case plugin.Number:
		out.Value = &r.Number
		if r.Statistic == plugin.Sum {
			out.Value, out.Sum = nil, &r.Number
		}
	case plugin.Text:
		out.String = &r.Text
	case plugin.Bool:
		out.Bool = &r.Bool
	case plugin.Bytes:
		data := base64.RawURLEncoding.EncodeToString(r.Bytes)
		out.Data = &data
	}
	return out
}

// decoding are the flags of decode.
type decoding struct {
	file, payload, at, config, variables string
	values                               []string
	describe                             bool
	port                                 uint16
}

func (t *tools) decodeCommand() *cobra.Command {
	var d decoding
	cmd := &cobra.Command{
		Use: "decode --plugin FILE|builtin:NAME (--hex H | --encode [NAME=]VALUE... | --describe)", Short: "Run a decoder on one payload, the way back, or let it describe itself",
		RunE: func(c *cobra.Command, _ []string) error {
			if d.file == "" || d.payload == "" && d.values == nil && !d.describe {
				return usage("decode wants --plugin FILE|builtin:NAME, and one of --hex H, --encode [NAME=]VALUE and --describe")
			}
			return t.runDecoder(c.Context(), &d)
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.file, "plugin", "", "the decoder: `FILE` or builtin:NAME")
	f.StringVar(&d.payload, "hex", "", "the payload, decrypted, in `HEX`")
	f.StringArrayVar(&d.values, "encode", nil, "a value that is to be encoded, `[NAME=]VALUE[ UNIT]`; can be given more than once")
	f.BoolVar(&d.describe, "describe", false, "print what there can be in a payload, and what can be encoded")
	f.Uint16Var(&d.port, "port", 0, "port, where the format has one")
	f.StringVar(&d.at, "time", "", "time of receipt, RFC 3339")
	f.StringVar(&d.config, "config-json", "", "the decoder's configuration, a JSON object")
	f.StringVar(&d.variables, "variables-json", "", "the device's variables, a JSON object")
	cmd.MarkFlagsMutuallyExclusive("hex", "encode", "describe")
	return cmd
}

// runDecoder does what the flags ask for.
func (t *tools) runDecoder(ctx context.Context, d *decoding) error {
	b, err := hex.DecodeString(d.payload)
	if err != nil {
		return usage("--hex: %w", err)
	}
	at := time.Time{}
	if d.at != "" {
		if at, err = time.Parse(time.RFC3339, d.at); err != nil {
			return usage("--time: %w", err)
		}
	}
	variables := map[string]any{}
	if d.variables != "" {
		if err := json.Unmarshal([]byte(d.variables), &variables); err != nil {
			return usage("--variables-json: %w", err)
		}
	}
	return plugin.UseOnce(ctx, sourceOf(d.file), []byte(d.config), "", func(m *plugin.Manager, name string) error {
		switch {
		case d.describe:
			return t.describe(m, name)
		case d.values != nil:
			list, err := assign(m, name, d.values, "")
			if err != nil {
				return err
			}
			got, err := m.Encode(ctx, name, plugin.EncodeRequest{Records: list, Port: d.port, Now: at, Variables: variables})
			if err != nil {
				return err
			}
			return t.printEncoded(&got)
		}
		got, err := m.Decode(ctx, name, plugin.Request{Payload: b, Port: d.port, Received: at, Variables: variables})
		if err != nil {
			return err
		}
		return t.printDecoded(got)
	})
}

// printDecoded prints records; errors of the payload make the command fail after what could be read.
func (t *tools) printDecoded(got plugin.Decoded) error {
	if t.json {
		if err := json.NewEncoder(t.out).Encode(map[string]any{
			"records": senMLOf(got.Records), "warnings": append([]string{}, got.Warnings...),
			"errors": append([]string{}, got.Errors...), "consumed": got.Consumed,
		}); err != nil {
			return err
		}
	} else {
		for _, r := range senMLOf(got.Records) {
			fmt.Fprintln(t.out, r.text())
		}
		for _, w := range got.Warnings {
			fmt.Fprintln(t.errOut, "warning:", w)
		}
	}
	if len(got.Errors) > 0 {
		return fmt.Errorf("the payload is not, or not wholly, of this format: %s", got.Errors[0])
	}
	return nil
}
