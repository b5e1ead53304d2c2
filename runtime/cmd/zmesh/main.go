// Command zmesh is the forwarder and the tools around it.
//
// `zmesh run` is a node. The operator's verbs (status, face, route, strategy, store, plugin, reload) speak to a running node's admin
// address; the tools (pub, get, sub, ping, trace) are nodes of the network themselves and speak Z-Mesh over a face. What each prints and
// the names of its flags are fixed: people and scripts rely on them.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 nothing found or timed out. Errors go to standard error, one
// plain sentence each.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/host"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == engine.CompileVerb { // a node has its plugins compiled so; not for people
		os.Exit(engine.CompileChild(os.Args[2:], os.Stdin, os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitNothing = 3
)

// usageError is a mistake of whoever called the program.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// sentence is an error in one line.
type sentence struct{ error }

func (s *sentence) Error() string { return strings.ReplaceAll(s.error.Error(), "\n", "; ") }
func (s *sentence) Unwrap() error { return s.error }

// errNothing says that nothing was found or came in time; what there is to say was said.
var errNothing = errors.New("nothing came")

// execute runs the program and gives its exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root, e := newRoot(in, out, errOut)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(errOut, "zmesh:", err)
	if !e.began { // the library refuses flags and arguments before a command begins
		return exitUsage
	}
	return codeOf(err)
}

func codeOf(err error) int {
	var mistakes config.Mistakes
	var wrong usageError
	switch {
	case errors.As(err, &wrong), errors.As(err, &mistakes):
		return exitUsage
	case errors.Is(err, errNothing), errors.Is(err, context.DeadlineExceeded):
		return exitNothing
	}
	return exitFailed
}

// env is what every command has.
type env struct {
	in          io.Reader
	out, errOut io.Writer
	json        bool
	config      string
	admin       string
	began       bool // a command's own work has begun: the arguments were good
}

func newRoot(in io.Reader, out, errOut io.Writer) (*cobra.Command, *env) {
	e := &env{in: in, out: out, errOut: errOut}
	root := &cobra.Command{
		Use:           "zmesh",
		Short:         "Z-Mesh: a named-data network for the Internet of Things",
		Version:       host.Version(),
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	root.PersistentFlags().StringVar(&e.config, "config", "", "configuration `FILE`")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w: see \"%s --help\"", err, c.CommandPath())
	})
	root.AddCommand(e.runCommand(), e.checkCommand(), e.demoCommand(), e.benchCommand())
	root.AddCommand(e.operatorCommands()...)
	root.AddCommand(e.toolCommands()...)
	root.SetHelpCommand(helpCommand(root))
	e.wrap(root)
	return root, e
}

// helpCommand is the library's but for a command that there is not: that is a mistake.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND…]", Short: "Help about any command", Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage("there is no command %q: see \"zmesh --help\"", strings.Join(args, " "))
			}
			return c.Help()
		},
	}
}

// wrap makes every command refuse arguments that it does not take, an unknown verb among them, and note that it has begun.
func (e *env) wrap(c *cobra.Command) {
	for _, sub := range c.Commands() {
		e.wrap(sub)
	}
	check := c.Args
	if check == nil {
		check = cobra.NoArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		switch err := check(c, args); {
		case err == nil:
			return nil
		case c.HasSubCommands():
			return fmt.Errorf("%w: see \"%s --help\"", err, c.CommandPath())
		}
		what := fmt.Sprintf("%q does not fit", strings.Join(args, " "))
		if len(args) == 0 {
			what = "arguments are missing"
		}
		return fmt.Errorf("%s: %s: see \"%s --help\"", what, strings.TrimSuffix(c.UseLine(), " [flags]"), c.CommandPath())
	}
	if c.HasSubCommands() && c.RunE == nil {
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		e.began = true
		return run(c, args)
	}
}

// load reads --config.
func (e *env) load() (*config.Config, error) {
	if e.config == "" {
		return nil, usage("this wants --config FILE")
	}
	return config.Load(e.config)
}
