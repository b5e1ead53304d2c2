package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/config"
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
			log, err := newLog(cfg.Log, e.errOut)
			if err != nil {
				return err
			}
			h, err := host.New(c.Context(), cfg, log, func() (*config.Config, error) { return config.Load(e.config) })
			if err != nil {
				return err
			}
			return h.Run(c.Context(), func([]string) { fmt.Fprintln(e.out, "ready") })
		},
	}
}

// newLog writes text to a terminal and JSON elsewhere, unless the configuration says which.
func newLog(l config.Log, out io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(l.Level)
	if err != nil {
		return zerolog.Nop(), usage("log level: %w", err)
	}
	if l.Format == "text" || l.Format == "auto" && isTerminal(out) {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: !isTerminal(out)}
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

func (e *env) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check --config FILE",
		Short: "Validate a configuration: every mistake with its file and line",
		RunE: func(*cobra.Command, []string) error {
			cfg, err := e.load()
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s: node %q, %d faces, %d routes, %d plugins, %d streams: good\n", e.config, cfg.Node.Name,
				len(cfg.Faces), len(cfg.Routes), len(cfg.Plugins), len(cfg.Streams))
			return nil
		},
	}
}
