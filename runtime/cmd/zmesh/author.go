package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/host"
	"github.com/zmesh/zmesh/runtime/plugin"
	"github.com/zmesh/zmesh/runtime/plugin/build"
	"github.com/zmesh/zmesh/runtime/plugin/scaffold"
)

// authorCommands are the verbs of whoever writes a plugin: none needs a node.
func (e *env) authorCommands() []*cobra.Command {
	return []*cobra.Command{e.pluginNew(), e.pluginBuild(), e.pluginTest(), e.pluginSign(), e.pluginInspect()}
}

func (e *env) pluginNew() *cobra.Command {
	var kind, lang string
	var update bool
	kinds := strings.Join(scaffold.Kinds, "|")
	cmd := &cobra.Command{
		Use: "new --kind " + kinds + " DIR", Short: "Write a folder that a plugin begins as; it builds and passes its tests at once",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := args[0]
			switch {
			case update && kind != "":
				return usage("plugin new --update DIR replaces the SDK in a plugin's folder, whatever its kind: leave out --kind")
			case update:
				if err := scaffold.Update(dir, host.Version()); err != nil {
					return err
				}
				fmt.Fprintf(e.out, "%s is the SDK of zmesh %s\n", filepath.Join(dir, scaffold.Folder), host.Version())
				return nil
			case kind == "":
				return usage("plugin new wants --kind %s", kinds)
			case lang != "go":
				return usage("--lang %s: there is an SDK for Go only (--lang go); C, Rust and AssemblyScript are planned, and the contract in sdk/README.md is open to any language", lang)
			}
			name, err := scaffold.New(dir, kind, host.Version())
			switch {
			case errors.Is(err, scaffold.ErrName), errors.Is(err, scaffold.ErrKind):
				return usage("%w", err)
			case err != nil:
				return err
			}
			fmt.Fprintf(e.out, "%s: %s, a %s in Go\n", dir, name, kind)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&kind, "kind", "", "what it is: "+strings.Join(scaffold.Kinds, ", "))
	f.StringVar(&lang, "lang", "go", "what it is written in: go")
	f.BoolVar(&update, "update", false, "only replace the SDK in a plugin's folder by that of this program")
	return cmd
}

// built is what plugin build prints.
type built struct {
	File   string `json:"file"`
	Size   int    `json:"size"`   // bytes
	Digest string `json:"digest"` // SHA-256, hex
}

func (e *env) pluginBuild() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "build DIR", Short: "Compile a plugin's folder with the Go tool, and put its manifest in", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			m, err := build.Manifest(args[0])
			if err != nil {
				return err
			}
			code, err := build.Go(c.Context(), args[0])
			if err != nil {
				return err
			}
			file := out
			if file == "" {
				file = filepath.Join(args[0], m.Name+".wasm")
			}
			if err := build.Write(file, code); err != nil {
				return err
			}
			sum := sha256.Sum256(code)
			b := built{file, len(code), hex.EncodeToString(sum[:])}
			if e.json {
				return e.printJSON(b)
			}
			fmt.Fprintf(e.out, "%s  %d bytes  %s\n", b.File, b.Size, b.Digest)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "the module to write: `FILE`; default: NAME.wasm in DIR")
	return cmd
}

func (e *env) pluginSign() *cobra.Command {
	return &cobra.Command{Use: "sign FILE", Short: "Sign a module (not there yet)", Args: cobra.ArbitraryArgs, RunE: func(*cobra.Command, []string) error {
		return usage("modules cannot be signed yet: signatures, and [plugins_trust] with them, come in the next version")
	}}
}

func (e *env) pluginInspect() *cobra.Command {
	return &cobra.Command{
		Use: "inspect FILE|builtin:NAME", Short: "What a module says of itself; a decoder is run, with nothing granted, to describe itself", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := plugin.Inspect(sourceOf(args[0]))
			if err != nil {
				return err
			}
			schema, unknown := e.schemaOf(c.Context(), r, args[0])
			if e.json {
				return e.printJSON(inspected{r, fieldLines(schema)})
			}
			fmt.Fprintf(e.out, "%s %s %s by %s\n%s\n", r.Kind, r.Name, r.Version, or(r.Vendor, "(nobody)"), r.Description)
			fmt.Fprintf(e.out, "abi           %s\ndigest        %s\nsize          %d bytes, %d vectors\n", r.ABI, r.Digest, r.Size, r.Vectors)
			fmt.Fprintf(e.out, "memory        %d bytes at start, %d asked for\n", r.MemoryMin, r.MemoryAsked)
			fmt.Fprintf(e.out, "capabilities  %s\nimports       %s\nexports       %s\n", listed(r.Capabilities), listed(r.Imports), listed(r.Exports))
			for _, p := range r.Problems {
				fmt.Fprintf(e.out, "problem       %s\n", p)
			}
			if unknown != nil {
				fmt.Fprintf(e.out, "schema        not known: %s\n", unknown)
			}
			if schema != nil {
				e.fieldTable(fieldLines(schema))
			}
			return nil
		},
	}
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
