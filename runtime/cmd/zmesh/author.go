package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/host"
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
