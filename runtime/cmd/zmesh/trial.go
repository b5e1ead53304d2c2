package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/plugin"
	"github.com/zmesh/zmesh/runtime/plugin/build"
)

// trial is one `zmesh plugin test`.
type trial struct {
	*env
	events, vectors, config string // flags
	write                   bool

	folder string // what is tested, if it is one
	opt    plugin.TrialOptions
}

func (e *env) pluginTest() *cobra.Command {
	t := &trial{env: e}
	cmd := &cobra.Command{
		Use: "test DIR|FILE|builtin:NAME", Short: "Run a plugin's vectors or scripted events in the real engine, without a node", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return t.run(c.Context(), args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&t.events, "events", "", "scripted events in place of its own: `FILE`")
	f.StringVar(&t.vectors, "vectors", "", "vectors in place of a decoder's own: `FILE`")
	f.StringVar(&t.config, "config-json", "", "a decoder's configuration, a JSON object")
	f.BoolVar(&t.write, "write", false, "write what came into the file of events, in place of what was expected")
	return cmd
}

func (t *trial) run(ctx context.Context, what string) error {
	src := sourceOf(what)
	if st, err := os.Stat(what); err == nil && st.IsDir() {
		t.folder = what
	}
	if err := t.read(); err != nil {
		return err
	}
	if t.folder != "" {
		code, err := build.Go(ctx, t.folder)
		if err != nil {
			return err
		}
		src = plugin.Source{Bytes: code}
	}
	got, err := plugin.Try(ctx, src, t.opt)
	switch {
	case errors.Is(err, plugin.ErrNoTests):
		return usage("%w: name a file in plugin.toml (vectors of a decoder, events of the others), or give --vectors FILE or --events FILE", err)
	case err != nil:
		return err
	case t.write && len(got.Events) > 0:
		return t.rewrite(got)
	}
	return t.print(got)
}

// read reads the files that the flags name, and the events of a folder, whose place is to stand in messages.
func (t *trial) read() (err error) {
	if t.events == "" && t.folder != "" {
		if t.events, err = build.Events(t.folder); err != nil {
			return err
		}
	}
	if t.write && t.events == "" {
		return usage("--write writes into a file of events: give --events FILE, or a folder whose plugin.toml names one")
	}
	if t.events != "" {
		t.opt.Name = t.events
		if t.opt.Events, err = os.ReadFile(t.events); err != nil {
			return fmt.Errorf("read the events: %w", err)
		}
	}
	if t.vectors != "" {
		if t.opt.Vectors, err = os.ReadFile(t.vectors); err != nil {
			return fmt.Errorf("read the vectors: %w", err)
		}
	}
	if t.config != "" {
		if err := json.Unmarshal([]byte(t.config), &t.opt.Config); err != nil {
			return usage("--config-json is no JSON object: %w", err)
		}
	}
	t.opt.Log = func(_ int, text string) { fmt.Fprintln(t.errOut, "log:", text) }
	return nil
}

// rewrite puts what came into the file of events.
func (t *trial) rewrite(got *plugin.Trial) error {
	if err := os.WriteFile(t.events, got.Events, 0o644); err != nil {
		return err
	}
	if t.json {
		return t.printJSON(got)
	}
	fmt.Fprintf(t.out, "%s: %s written, %d of them changed\n", t.events, plural(len(got.Cases), "event"), got.Failed)
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (t *trial) print(got *plugin.Trial) error {
	if t.json {
		if err := t.printJSON(got); err != nil {
			return err
		}
	} else {
		t.verdicts(got)
	}
	if got.Failed > 0 {
		return fmt.Errorf("%s of %d failed", plural(got.Failed, "case"), len(got.Cases))
	}
	return nil
}

func (t *trial) verdicts(got *plugin.Trial) {
	fmt.Fprintf(t.out, "%s %s %s %s\n", got.Kind, got.Name, got.Version, got.Digest[:12])
	var most plugin.Cost
	for i := range got.Cases {
		c := &got.Cases[i]
		verdict := "ok  "
		if !c.OK {
			verdict = "FAIL"
		}
		fmt.Fprintf(t.out, "%s %9d fuel %8d ns %9d bytes  %s\n", verdict, c.Fuel, c.Time.Nanoseconds(), c.Memory, c.Name)
		for line := range strings.Lines(strings.TrimRight(c.Why, "\n")) {
			fmt.Fprint(t.out, "     ", line)
		}
		if c.Why != "" {
			fmt.Fprintln(t.out)
		}
		most = plugin.Cost{Fuel: max(most.Fuel, c.Fuel), Time: max(most.Time, c.Time), Memory: max(most.Memory, c.Memory)}
	}
	fmt.Fprintf(t.out, "%d of %d passed; at most %d fuel, %s and %d bytes of memory; start-up %d fuel, %s\n",
		got.Passed, len(got.Cases), most.Fuel, most.Time, most.Memory, got.Start.Fuel, got.Start.Time.Round(10*time.Microsecond))
	if t.folder != "" {
		fmt.Fprintf(t.out, "natively: go -C %s test ./...\n", cmp.Or(filepath.ToSlash(t.folder), "."))
	}
}
