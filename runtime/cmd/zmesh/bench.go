package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/bench"
)

// benchFlags are those of zmesh bench as they are written.
type benchFlags struct {
	bench.Options
	cpu, to string
}

func (e *env) benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [" + strings.Join(bench.Scenarios(), "|") + "]",
		Short: "Load a forwarder, and beside it measure the limit of the machine; without a scenario the whole table",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return e.bench(c, &f, args) },
	}
	fl := cmd.Flags()
	fl.IntVar(&f.Window, "window", 0, "exchanges under way `N` (default 256, with --gso 2048)")
	fl.Float64Var(&f.Rate, "rate", 0, "exchanges a second `R`, in place of a window")
	fl.IntVar(&f.Names, "names", 0, "go over `N` names; -1: each exchange has another (default 4096; publish, mixed: 256; fanout: 1)")
	fl.IntVar(&f.Payload, "payload", 100, "`BYTES` of a content's payload")
	fl.IntVar(&f.Faces, "faces", 0, "subscribers, or with hit and miss consumers, `N` (default 1; fanout: 1000)")
	fl.DurationVar(&f.Duration, "duration", 3*time.Second, "timed part for each that is measured")
	fl.IntVar(&f.Repeat, "repeat", 3, "cut the time into `N` rounds, in which all take turns")
	fl.BoolVar(&f.GSO, "gso", false, "load with UDP segmentation offload, as another forwarder would")
	fl.StringVar(&f.cpu, "cpu", "", "`A,B`: what is measured runs on CPU A, the load on CPU B")
	fl.StringSliceVar(&f.Strategies, "strategy", nil, "measure the builtin plugin `NAME` as strategy too")
	fl.StringSliceVar(&f.Durability, "durability", nil, "of the store: memory, buffered or durable; several are all measured (default memory)")
	fl.IntVar(&f.Workers, "workers", 0, "of the forwarder, `N` (default 1)")
	fl.BoolVar(&f.NoRaw, "no-raw", false, "leave the limit of the machine out")
	fl.StringVar(&f.to, "to", "", "load the forwarder at udp://`HOST:PORT`, whose network key --config has, not one of our own")
	fl.BoolVar(&e.json, "json", false, "print JSON")
	cmd.AddCommand(e.rawCommand())
	return cmd
}

func (e *env) bench(c *cobra.Command, f *benchFlags, args []string) (err error) {
	if c.Flags().Changed("payload") && f.Payload == 0 { // of the options it is the default
		return usage("--payload 0: a content has 1 byte at least here")
	}
	if err := e.completeBench(c.Context(), f); err != nil {
		return err
	}
	bar := newBar(e.errOut)
	defer bar.clear()
	f.Progress = bar.show
	list := []bench.Options{f.Options}
	if len(args) == 1 {
		list[0].Scenario = args[0]
	} else if list, err = bench.Table(f.Options); err != nil {
		return benchError(err)
	}
	var reports []*bench.Report
	for i, o := range list {
		bar.at, bar.of = i, len(list)
		rep, err := bench.Run(c.Context(), o)
		if err != nil {
			return benchError(err)
		}
		reports = append(reports, rep)
		bar.clear()
		if !e.json {
			if i == 0 {
				fmt.Fprintln(e.out, rep.Machine)
			}
			fmt.Fprintln(e.out)
			rep.Print(e.out)
		}
	}
	if e.json {
		return e.printJSON(reports)
	}
	if len(reports) > 1 {
		bench.Wanted(e.out, reports)
	}
	return nil
}

// benchError makes what the caller wrote wrong a usage error.
func benchError(err error) error {
	var wrong bench.UsageError
	if errors.As(err, &wrong) {
		return usageError{err}
	}
	return fmt.Errorf("bench: %w", err)
}

func (e *env) completeBench(ctx context.Context, f *benchFlags) (err error) {
	if f.Exe, err = os.Executable(); err != nil {
		return err
	}
	if f.ServerCPU, f.LoadCPU, err = parseCPUs(f.cpu); err != nil {
		return err
	}
	if f.to == "" {
		return nil
	}
	host, ok := strings.CutPrefix(f.to, "udp://")
	if f.To, err = netip.ParseAddrPort(host); !ok || err != nil {
		return usage("--to %q is no udp://ADDRESS:PORT", f.to)
	}
	cfg, err := e.load()
	if err != nil {
		return err
	}
	if f.Ring, err = cfg.Keyring(); err != nil {
		return err
	}
	if c, err := e.client(); err == nil && c.Get(ctx, "/v1/perf", &admin.Perf{}) == nil {
		f.CPU = func(ctx context.Context) (time.Duration, error) {
			var p admin.Perf
			err := c.Get(ctx, "/v1/perf", &p)
			return p.CPU, err
		}
	}
	return nil
}

func parseCPUs(text string) (server, load int, err error) {
	if text == "" {
		return -1, -1, nil
	}
	a, b, ok := strings.Cut(text, ",")
	server, err1 := strconv.Atoi(a)
	load, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || server < 0 || load < 0 {
		return 0, 0, usage("--cpu %q: write two CPUs, such as 0,1", text)
	}
	return server, load, nil
}

// rawCommand is what the bench starts for the limit of the machine. It can also stand on another machine, for --to of a run there.
func (e *env) rawCommand() *cobra.Command {
	var o bench.RawOptions
	var listen, producer string
	cmd := &cobra.Command{
		Use: "raw", Short: "Answer and relay datagrams with bare system calls, until SIGINT or SIGTERM",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Listen, err = netip.ParseAddrPort(listen); err != nil {
				return usage("--listen: %w", err)
			}
			if o.Producer, err = netip.ParseAddrPort(producer); err != nil {
				return usage("--producer: %w", err)
			}
			return bench.Raw(c.Context(), o, func(at netip.AddrPort) { fmt.Fprintln(e.out, "ready", at) })
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "`ADDRESS:PORT`")
	cmd.Flags().StringVar(&o.Calls, "calls", bench.Batched, "plain, batched or offload")
	cmd.Flags().IntVar(&o.Answer, "answer", 115, "`BYTES` of an answer")
	cmd.Flags().StringVar(&producer, "producer", "127.0.0.1:9", "where to relay Interests to, `ADDRESS:PORT`")
	return cmd
}
