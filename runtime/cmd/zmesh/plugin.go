package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/host"
	"github.com/zmesh/zmesh/runtime/plugin"
)

func (e *env) pluginCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "Plugins: of a running node, and in files"}
	cmd.AddCommand(e.pluginList(), e.pluginLoad(), e.pluginSwap(), e.pluginRollback(), e.pluginUnload(), e.pluginJournal())
	cmd.AddCommand(e.authorCommands()...)
	return cmd
}

func (e *env) pluginList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "The plugins of a running node", RunE: func(c *cobra.Command, _ []string) error {
		return read(e, c.Context(), "/v1/plugins", func(list []admin.Plugin) {
			e.table("NAME KIND VERSION DIGEST STATE INSTANCES CALLS REUSED FUEL-50/99 TIME-50/99 TRAPS LIMITS SOURCE", func(add func(...any)) {
				for _, p := range list {
					add(p.Name, p.Kind, p.Version, short(p.Digest), p.State, p.Instances, p.Calls, p.Reused, spread(p.Fuel, ""), spread(p.Time, "ns"), p.Traps,
						or(hits(p.Limits), "-"), p.Source)
				}
			})
			e.journalTrouble(c.Context())
			for _, p := range list {
				if t := p.LastTrap; t != nil {
					fmt.Fprintf(e.out, "%s: last trap %s of %s: %s\n", p.Name, t.Time.Format(time.RFC3339), short(t.Digest), t.Why)
				}
			}
		})
	}}
}

// journalTrouble tells of steps that are not in the journal on disk. A node that does not answer this has answered what was asked.
func (e *env) journalTrouble(ctx context.Context) {
	a, err := e.client()
	if err != nil {
		return
	}
	var s admin.Status
	if a.Get(ctx, "/v1/status", &s) == nil && s.PluginJournal.Lost > 0 {
		fmt.Fprintln(e.out, journalText(s.PluginJournal))
	}
}

func journalText(j admin.PluginJournal) string {
	return fmt.Sprintf("journal: %d steps are not on disk; %s", j.Lost, or(j.Problem, "the last one is"))
}

// short is the beginning of a digest, by which people tell versions.
func short(digest string) string { return digest[:min(12, len(digest))] }

// spread is what half and what nearly all calls take at most; - before any was measured.
func spread(s admin.Spread, unit string) string {
	if s.Samples == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d%s", s.P50, s.P99, unit)
}

// hits names the limits that were met.
func hits(limits map[string]uint64) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		list = append(list, fmt.Sprintf("%s:%d", name, limits[name]))
	}
	return strings.Join(list, ",")
}

func (e *env) pluginRollback() *cobra.Command {
	return &cobra.Command{
		Use: "rollback NAME", Short: "Go back to the version before the last swap, as a swap does", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return e.post(c.Context(), "/v1/plugins/rollback", admin.PluginName{Name: args[0]}, fmt.Sprintf("plugin %s is the version before again", args[0]))
		},
	}
}

func (e *env) pluginUnload() *cobra.Command {
	return &cobra.Command{
		Use: "unload NAME", Short: "Take a plugin out of a running node, which nothing uses any more", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return e.change(fmt.Sprintf("plugin %s is gone", args[0]), func(a *admin.Client) error {
				return a.Delete(c.Context(), "/v1/plugins", admin.PluginName{Name: args[0]})
			})
		},
	}
}

func (e *env) pluginJournal() *cobra.Command {
	return &cobra.Command{
		Use: "journal [NAME]", Short: "What happened to the plugins of a node: when, by whom, from what to what, why", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			list, err := e.journal(c.Context())
			if err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(x admin.PluginEntry) bool { return len(args) == 1 && x.Plugin != args[0] })
			if len(list) == 0 && len(args) == 1 {
				return fmt.Errorf("%w: the journal has nothing about %q", errNothing, args[0])
			}
			if e.json {
				return e.printJSON(list)
			}
			e.table("TIME PLUGIN WHO WHAT FROM DIGEST WHY", func(add func(...any)) {
				for _, x := range list {
					add(x.Time.Format(time.RFC3339), x.Plugin, x.Who, strings.ReplaceAll(x.What, " ", "-"), or(short(x.From), "-"), or(short(x.Digest), "-"), x.Why)
				}
			})
			return nil
		},
	}
}

// journal asks the node for its journal. Where --config names a node that does not run, it is read from its data folder.
func (e *env) journal(ctx context.Context) (list []admin.PluginEntry, err error) {
	a, err := e.client()
	if err != nil {
		return nil, err
	}
	err = a.Get(ctx, "/v1/plugins/journal", &list)
	if !errors.Is(err, admin.ErrUnreachable) || e.admin != "" {
		return list, err
	}
	cfg, wrong := e.load()
	if wrong != nil {
		return nil, wrong
	}
	list, file, wrong := host.ReadPluginJournal(cfg)
	if wrong != nil {
		return nil, fmt.Errorf("%w; %w", err, wrong)
	}
	fmt.Fprintf(e.errOut, "zmesh: the node does not run: this is from %s\n", file)
	return list, nil
}

// module reads what an operator names: a file, whose bytes go to the node, or builtin:NAME.
func module(file string) (admin.PluginLoad, error) {
	if strings.HasPrefix(file, "builtin:") {
		return admin.PluginLoad{From: file}, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return admin.PluginLoad{}, fmt.Errorf("plugin: %w", err)
	}
	return admin.PluginLoad{From: file, Module: b}, nil
}

func (e *env) pluginLoad() *cobra.Command {
	var grant []string
	var settings string
	cmd := &cobra.Command{
		Use: "load NAME FILE|builtin:NAME", Short: "Bring up a plugin in a running node, until it stops", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := module(args[1])
			if err != nil {
				return err
			}
			if settings != "" && json.Unmarshal([]byte(settings), &l.Config) != nil {
				return usage("--config-json %s is no JSON object", settings)
			}
			l.Name, l.Grant = args[0], grant
			return e.post(c.Context(), "/v1/plugins", l, fmt.Sprintf("plugin %s is running", l.Name))
		},
	}
	cmd.Flags().StringSliceVar(&grant, "grant", nil, "capabilities that it gets")
	cmd.Flags().StringVar(&settings, "config-json", "", "its settings, as a JSON `object`")
	return cmd
}

func (e *env) pluginSwap() *cobra.Command {
	return &cobra.Command{
		Use: "swap NAME FILE|builtin:NAME", Short: "Replace a plugin of a running node, once its vectors have passed", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := module(args[1])
			if err != nil {
				return err
			}
			l.Name = args[0]
			return e.post(c.Context(), "/v1/plugins/swap", l, fmt.Sprintf("plugin %s is now %s", l.Name, l.From))
		},
	}
}

// sourceOf is where a module named on the command line comes from.
func sourceOf(file string) plugin.Source {
	if name, ok := strings.CutPrefix(file, "builtin:"); ok {
		return plugin.Source{Builtin: name}
	}
	return plugin.Source{Path: file}
}
