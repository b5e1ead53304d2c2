package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/plugin"
)

func (e *env) pluginInspect() *cobra.Command {
	return &cobra.Command{
		Use: "inspect FILE|builtin:NAME…", Short: "What modules say of themselves; a decoder is run, with nothing granted, to describe itself", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, file := range args {
				r, err := plugin.Inspect(sourceOf(file))
				if err != nil {
					return err
				}
				schema, unknown := e.schemaOf(c.Context(), r, file)
				if !e.json {
					e.report(r, schema, unknown)
				} else if err := e.printJSON(inspected{r, fieldLines(schema)}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// report prints what is known of a module.
func (e *env) report(r *plugin.Report, schema plugin.Schema, unknown error) {
	line := func(what, format string, a ...any) { fmt.Fprintf(e.out, "%-13s %s\n", what, fmt.Sprintf(format, a...)) }
	fmt.Fprintf(e.out, "%s %s %s by %s\n%s\n", r.Kind, r.Name, r.Version, or(r.Vendor, "(nobody)"), r.Description)
	line("abi", "%s", r.ABI)
	line("digest", "%s", r.Digest)
	line("size", "%d bytes, %d vectors, %d events", r.Size, r.Vectors, r.Events)
	line("memory", "%d bytes at start, %d asked for, %d at most here", r.MemoryMin, r.MemoryAsked, r.Bounds.Memory)
	fuel := r.Bounds.Fuel
	line("fuel", "%d for each item, %d for start-up, %d for the idle hook at most here", fuel.Item, fuel.Start, fuel.Idle)
	if asked := r.FuelAsked; asked != (plugin.Budget{}) {
		line("fuel asked", "%d for each item, %d for start-up, %d for the idle hook", asked.Item, asked.Start, asked.Idle)
	}
	line("capabilities", "%s", listed(r.Capabilities))
	line("state", "%s", or(r.StateSchema, "none"))
	for _, s := range r.Settings {
		line("setting", "%s", s)
	}
	if d := r.Driver; d != nil {
		line("links", "%s, mtu %d, blocks of %d bytes for a link and %d for a peer%s", strings.Join(d.Transports, " and "), d.MTU, d.LinkBlock, d.PeerBlock, linkTraits(d))
	}
	line("imports", "%s", listed(r.Imports))
	line("exports", "%s", listed(r.Exports))
	for _, p := range r.Problems {
		line("problem", "%s", p)
	}
	if unknown != nil {
		line("schema", "not known: %s", unknown)
	}
	if schema != nil {
		e.fieldTable(fieldLines(schema))
	}
}

// linkTraits names what else a driver declares of its links.
func linkTraits(d *engine.Driver) (s string) {
	if d.Broadcast {
		s += ", broadcast"
	}
	if d.HalfDuplex {
		s += fmt.Sprintf(", half duplex with %d ms to turn around", d.Turnaround)
	}
	if d.DutyCycle > 0 {
		s += fmt.Sprintf(", sends at most %g of the time", d.DutyCycle)
	}
	if d.BitRate > 0 {
		s += fmt.Sprintf(", %d bits a second", d.BitRate)
	}
	return s
}

// inspected is a report with what a decoder describes; empty if it describes nothing.
type inspected struct {
	*plugin.Report
	Schema []fieldLine `json:"schema"`
}

// schemaOf gives what a decoder describes, or why that is not known; neither of a plugin that describes nothing.
func (e *env) schemaOf(ctx context.Context, r *plugin.Report, file string) (plugin.Schema, error) {
	if r.Kind != plugin.KindDecoder || len(r.Problems) > 0 {
		return nil, nil
	}
	s, err := plugin.DescribeOnce(ctx, sourceOf(file))
	if errors.Is(err, plugin.ErrNoDescribe) {
		return nil, nil
	}
	return s, err
}

func listed(texts []string) string {
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, ", ")
}
