package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/host"
)

func (e *env) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run a node until SIGINT or SIGTERM",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := e.load()
			if err != nil {
				return err
			}
			atLeastTwo()
			lines := newPatient(e.errOut)
			defer lines.Close()
			log, err := newLog(cfg.Log, lines, isTerminal(e.errOut))
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program, which compiles plugins in a process of its own: %w", err)
			}
			h, err := host.New(c.Context(), cfg, log, func() (*config.Config, error) { return config.Load(e.config) },
				host.CompileWith(&engine.Compiler{Command: []string{self, engine.CompileVerb}}))
			switch {
			case errors.Is(err, context.Canceled) && c.Context().Err() != nil:
				return nil // it was asked to stop before it was ready
			case err != nil:
				return err
			}
			return h.Run(c.Context(), func([]string) { fmt.Fprintln(e.out, "ready") })
		},
	}
}

// atLeastTwo gives Go a second processor where there is one core, so that the kernel, and not Go's scheduler, decides who runs when frames
// come while the store writes: RATIONALE.md. Who sets GOMAXPROCS means it.
func atLeastTwo() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
}

// newLog writes text to a terminal and JSON elsewhere, unless the configuration says which.
func newLog(l config.Log, out io.Writer, terminal bool) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(l.Level)
	if err != nil {
		return zerolog.Nop(), usage("log level: %w", err)
	}
	if l.Format == "text" || l.Format == "auto" && terminal {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: !terminal}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger(), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// checked is what check --json prints.
type checked struct {
	Good     bool      `json:"good"`
	Node     string    `json:"node,omitempty"`
	Mistakes []mistake `json:"mistakes"`
}

type mistake struct {
	File string `json:"file"`
	Line int    `json:"line"`
	What string `json:"what"`
}

func (e *env) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Validate a configuration: every mistake with its file and line",
		RunE: func(*cobra.Command, []string) error {
			cfg, err := e.load()
			if err == nil {
				err = host.CheckPlugins(cfg)
			}
			if e.json {
				return errors.Join(e.checked(cfg, err), err)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s: node %q, %d faces, %d routes, %d plugins, %d streams: good\n", e.config, cfg.Node.Name,
				len(cfg.Faces), len(cfg.Routes), len(cfg.Plugins), len(cfg.Streams))
			return nil
		},
	}
	cmd.Flags().BoolVar(&e.json, "json", false, "print JSON")
	return cmd
}

// checked prints what was found; an error that is no mistake of the file is only told as one.
func (e *env) checked(cfg *config.Config, err error) error {
	out := checked{Good: err == nil, Mistakes: []mistake{}}
	if cfg != nil {
		out.Node = cfg.Node.Name
	}
	var list config.Mistakes
	if errors.As(err, &list) {
		for _, m := range list {
			out.Mistakes = append(out.Mistakes, mistake{m.File, m.Line, m.What})
		}
	}
	return e.printJSON(out)
}
