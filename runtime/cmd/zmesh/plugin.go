package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/plugin"
)

func (e *env) pluginCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "Plugins: of a running node, and in files"}
	cmd.AddCommand(e.pluginList(), e.pluginLoad(), e.pluginSwap())
	cmd.AddCommand(e.authorCommands()...)
	return cmd
}

func (e *env) pluginList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "The plugins of a running node", RunE: func(c *cobra.Command, _ []string) error {
		return read(e, c.Context(), "/v1/plugins", func(list []admin.Plugin) {
			e.table("NAME KIND VERSION DIGEST STATE INSTANCES CALLS TRAPS SOURCE", func(add func(...any)) {
				for _, p := range list {
					add(p.Name, p.Kind, p.Version, p.Digest[:min(12, len(p.Digest))], p.State, p.Instances, p.Calls, p.Traps, p.Source)
				}
			})
		})
	}}
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
	cmd := &cobra.Command{
		Use: "load NAME FILE|builtin:NAME", Short: "Bring up a plugin in a running node, until it stops", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := module(args[1])
			if err != nil {
				return err
			}
			l.Name, l.Grant = args[0], grant
			return e.post(c.Context(), "/v1/plugins", l, fmt.Sprintf("plugin %s is running", l.Name))
		},
	}
	cmd.Flags().StringSliceVar(&grant, "grant", nil, "capabilities that it gets")
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
