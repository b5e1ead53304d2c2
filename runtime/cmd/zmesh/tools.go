package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/sdk/node"
)

// tools are the flags of the verbs that speak Z-Mesh themselves.
type tools struct {
	*env
	to      string
	raw     bool
	decode  bool
	timeout time.Duration

	publishes bool // pub
}

func (e *env) toolCommands() []*cobra.Command {
	t := &tools{env: e}
	speak := []*cobra.Command{t.pubCommand(), t.getCommand(), t.subCommand(), t.pingCommand(), t.traceCommand()}
	for _, c := range speak {
		c.Flags().StringVar(&t.to, "to", "", "forwarder, udp://HOST:PORT (default: the first UDP listener of --config)")
	}
	all := append(speak, t.nameCommand(), t.decodeCommand())
	for _, c := range all {
		c.Flags().BoolVar(&e.json, "json", false, "print JSON, one object a line")
	}
	return all
}

// session is a tool at work: its configuration, its link and the name it was called with.
type session struct {
	*tools
	cfg  *config.Config
	node *node.Node
	name name.Name
	dec  *decoders

	unread error // something came that could not be read
}

// open reads --config, finds the name and opens the link.
func (t *tools) open(ctx context.Context, text string) (*session, error) {
	return t.connect(ctx, text, false)
}

// openOne is open for the verbs that cannot do with a wildcard name.
func (t *tools) openOne(ctx context.Context, text string) (*session, error) {
	return t.connect(ctx, text, true)
}

func (t *tools) connect(ctx context.Context, text string, one bool) (*session, error) {
	if t.timeout < 0 {
		return nil, usage("--timeout %s: want a time that is not over", t.timeout)
	}
	cfg, err := t.load()
	if err != nil {
		return nil, err
	}
	n, err := cfg.Name(text)
	if err != nil {
		return nil, usageError{err}
	}
	if one && cfg.Own().IsWildcard(n) {
		return nil, usage("%s: this wants one name, without a wildcard", text)
	}
	to, err := t.forwarder(cfg)
	if err != nil {
		return nil, err
	}
	nd, err := t.dial(ctx, cfg, n, to)
	if err != nil {
		return nil, err
	}
	return &session{tools: t, cfg: cfg, node: nd, name: n, dec: newDecoders(cfg)}, nil
}

// dial opens the link. A publisher comes from a port of its own for each name and forwarder, so that it is known again the next
// time (P-17): `zmesh pub` twice is one producer.
func (t *tools) dial(ctx context.Context, cfg *config.Config, n name.Name, to string) (*node.Node, error) {
	c := node.Config{Network: cfg.Networks[0].Wire(), Wildcard: cfg.Limits.Wildcard}
	if !t.publishes {
		return node.Dial(ctx, to, c)
	}
	c.Port = portOf(n, to)
	for end := time.Now().Add(portTime); ; {
		nd, err := node.Dial(ctx, to, c)
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			return nd, err
		}
		if time.Now().After(end) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(portPause):
		}
	}
	fmt.Fprintf(t.errOut, "zmesh: warning: port %d, by which the forwarder would know this producer again, is in use: if another program "+
		"publishes the name, this one is refused (P-17); --confirm tells\n", c.Port)
	c.Port = 0
	return node.Dial(ctx, to, c)
}

// Another zmesh pub of the same name may have the port, and be done in a moment.
const (
	portTime  = time.Second
	portPause = 50 * time.Millisecond
)

// portOf is a port of the dynamic range (RFC 6335, 6) for a name and the forwarder that it is published to.
func portOf(n name.Name, to string) int {
	const first, count = 49152, 65536 - 49152
	h := fnv.New64a()
	_, _ = h.Write(n[:])
	_, _ = io.WriteString(h, to)
	return first + int(h.Sum64()%count)
}

func (s *session) close() { _, _ = s.node.Close(), s.dec.Close() }

// forwarder is --to, or the first UDP listener of the configuration.
func (t *tools) forwarder(cfg *config.Config) (string, error) {
	if scheme, _, has := strings.Cut(t.to, "://"); has && scheme != "udp" {
		return "", usage("--to %s: want udp://HOST:PORT", t.to)
	}
	if t.to != "" {
		return t.to, nil
	}
	for i := range cfg.Faces {
		if f := &cfg.Faces[i]; f.Type == config.UDP && f.Listen != "" {
			return "udp://" + f.Listen, nil
		}
	}
	return "", usage("%s has no UDP listener: say --to udp://HOST:PORT", cfg.File)
}

// stream is what the configuration knows of a name; without an entry payloads travel as they are.
func (s *session) stream(n name.Name) (*node.Stream, error) {
	c := s.cfg.Stream(n)
	if c == nil || c.Encryption == config.NoEncryption {
		return node.NewStream(n, node.None, nil, nil)
	}
	m, err := node.ParseMethod(string(c.Encryption))
	if err != nil {
		return nil, err
	}
	return node.NewStream(n, m, c.Key.Bytes(), c.IV[:])
}

func (t *tools) getCommand() *cobra.Command {
	var seq string
	cmd := &cobra.Command{Use: "get NAME", Short: "Ask for a content", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		number, err := parseSeq(seq)
		if err != nil {
			return err
		}
		s, err := t.open(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		return s.get(c.Context(), number)
	}}
	cmd.Flags().StringVar(&seq, "seq", "newest", "`N`, or newest")
	t.timeoutFlag(cmd, 2*time.Second, "how long to wait")
	t.formFlags(cmd)
	return cmd
}

// timeoutFlag gives a verb a --timeout with a default of its own: one variable for all would have the default of the last.
func (t *tools) timeoutFlag(cmd *cobra.Command, standard time.Duration, help string) {
	own := cmd.Flags().Duration("timeout", standard, help)
	cmd.PreRun = func(*cobra.Command, []string) { t.timeout = *own }
}

func (t *tools) formFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&t.raw, "raw", false, "print the payload in hex, as it travels")
	cmd.Flags().BoolVar(&t.decode, "decode", false, "insist on the stream's decoder")
	cmd.MarkFlagsMutuallyExclusive("raw", "decode")
}

func parseSeq(text string) (uint32, error) {
	if text == "newest" {
		return wire.SeqNewest, nil
	}
	n, err := strconv.ParseUint(text, 0, 32)
	if err != nil || n < uint64(wire.SeqFirst) || n > uint64(wire.SeqLast) {
		return 0, usage("--seq %q: want newest or a number from 1 to %d", text, wire.SeqLast)
	}
	return uint32(n), nil
}

// because is what the link or the network said while nothing came.
func because(err error) string {
	var text []string
	for _, line := range strings.Split(err.Error(), "\n") {
		if !strings.Contains(line, context.DeadlineExceeded.Error()) {
			text = append(text, line)
		}
	}
	if len(text) == 0 {
		return ""
	}
	return ": " + strings.Join(text, "; ")
}

func (s *session) get(ctx context.Context, seq uint32) error {
	if s.cfg.Own().IsWildcard(s.name) {
		return s.getAll(ctx, seq)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	c, err := s.node.Get(ctx, s.name, seq)
	var ret *node.ReturnError
	switch {
	case errors.As(err, &ret) && ret.Reason != wire.ReturnRefused:
		return fmt.Errorf("%w: %w", errNothing, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w in %s%s", errNothing, s.timeout, because(err))
	case err != nil:
		return err
	}
	return s.print(ctx, &c)
}

func (t *tools) pingCommand() *cobra.Command {
	var count int
	cmd := &cobra.Command{Use: "ping NAME", Short: "Measure round trips to the newest content of a name", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		if count < 1 {
			return usage("--count %d: want at least 1", count)
		}
		s, err := t.openOne(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		return s.ping(c.Context(), count)
	}}
	cmd.Flags().IntVar(&count, "count", 4, "round trips")
	t.timeoutFlag(cmd, 2*time.Second, "how long to wait for each")
	return cmd
}

func (t *tools) traceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "trace NAME", Short: "The hops towards a name", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		s, err := t.openOne(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		return s.trace(c.Context())
	}}
	t.timeoutFlag(cmd, 3*time.Second, "how long to go on while nobody answers")
	return cmd
}

func (t *tools) nameCommand() *cobra.Command {
	return &cobra.Command{Use: "name URI|HEX", Short: "What a URI is as a name, and the other way round", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return t.describeName(args[0])
	}}
}
