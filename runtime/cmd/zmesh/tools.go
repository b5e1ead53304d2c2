package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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
}

// open reads --config, finds the name and opens the link.
func (t *tools) open(ctx context.Context, text string) (*session, error) {
	cfg, err := t.load()
	if err != nil {
		return nil, err
	}
	n, err := cfg.Name(text)
	if err != nil {
		return nil, usageError{err}
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

// dial opens the link. A publisher comes from a port of its own for each name, so that the forwarder knows it again the next
// time (P-17): `zmesh pub` twice is one producer. Another process may have the port; then any other does.
func (t *tools) dial(ctx context.Context, cfg *config.Config, n name.Name, to string) (*node.Node, error) {
	c := node.Config{Network: cfg.Networks[0].Wire(), Wildcard: cfg.Limits.Wildcard}
	if t.publishes {
		c.Port = portOf(n)
	}
	nd, err := node.Dial(ctx, to, c)
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
		c.Port = 0
		nd, err = node.Dial(ctx, to, c)
	}
	return nd, err
}

// portOf is a port of the dynamic range (RFC 6335, 6) for a name.
func portOf(n name.Name) int {
	const first, count = 49152, 65536 - 49152
	return first + int(n.Uint48()*0x9E3779B97F4A7C15>>32%count)
}

func (s *session) close() { _, _ = s.node.Close(), s.dec.Close() }

// forwarder is --to, or the first UDP listener of the configuration.
func (t *tools) forwarder(cfg *config.Config) (string, error) {
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

// payloadFlags say what is published.
type payloadFlags struct {
	text, hex, file, value string
	lines, confirm         bool
	seq                    uint32
}

func (t *tools) pubCommand() *cobra.Command {
	var p payloadFlags
	cmd := &cobra.Command{Use: "pub NAME", Short: "Publish a content", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		t.publishes = true
		s, err := t.open(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		return s.pub(c.Context(), &p)
	}}
	f := cmd.Flags()
	f.StringVar(&p.text, "text", "", "publish this `TEXT`")
	f.StringVar(&p.hex, "hex", "", "publish these bytes, in `HEX`")
	f.StringVar(&p.file, "file", "", "publish what is in `FILE`")
	f.StringVar(&p.value, "value", "", "publish a `NUMBER` as text")
	f.BoolVar(&p.lines, "lines", false, "publish each line of standard input")
	f.BoolVar(&p.confirm, "confirm", false, "wait until the first hop has stored it, and print its durability class")
	f.Uint32Var(&p.seq, "seq", 0, "number it `N` (default: the next of the producer's own watermark)")
	f.DurationVar(&t.timeout, "timeout", 10*time.Second, "how long --confirm waits")
	cmd.MarkFlagsMutuallyExclusive("text", "hex", "file", "value", "lines")
	cmd.MarkFlagsOneRequired("text", "hex", "file", "value", "lines")
	return cmd
}

// payload is what the flags say, other than --lines.
func (p *payloadFlags) payload() ([]byte, error) {
	switch {
	case p.hex != "":
		b, err := hex.DecodeString(p.hex)
		if err != nil {
			return nil, usage("--hex: %w", err)
		}
		return b, nil
	case p.file != "":
		b, err := os.ReadFile(p.file)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		return b, nil
	case p.value != "":
		if _, err := strconv.ParseFloat(p.value, 64); err != nil {
			return nil, usage("--value %q is no number", p.value)
		}
		return []byte(p.value), nil
	}
	return []byte(p.text), nil
}

func (s *session) pub(ctx context.Context, p *payloadFlags) (err error) {
	st, err := s.stream(s.name)
	if err != nil {
		return err
	}
	next := func() (uint32, error) { return p.seq, nil }
	if p.seq == 0 {
		marks, err := node.OpenWatermark(filepath.Join(s.cfg.Node.DataDir, "watermarks"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, marks.Close()) }()
		next = func() (uint32, error) { return marks.Next(s.name) }
	}
	if !p.lines {
		b, err := p.payload()
		if err != nil {
			return err
		}
		return s.pubOne(ctx, st, next, b, p.confirm)
	}
	lines := bufio.NewScanner(s.in)
	for lines.Scan() && ctx.Err() == nil {
		if err := s.pubOne(ctx, st, next, lines.Bytes(), p.confirm); err != nil {
			return err
		}
		if p.seq != 0 {
			p.seq++
		}
	}
	return lines.Err()
}

func (s *session) pubOne(ctx context.Context, st *node.Stream, next func() (uint32, error), payload []byte, confirm bool) error {
	if len(payload)+st.Overhead() > wire.MaxPayload {
		return usage("payload of %d bytes: at most %d fit a frame", len(payload), wire.MaxPayload-st.Overhead())
	}
	seq, err := next()
	if err != nil {
		return err
	}
	out := published{Name: s.name.String(), Seq: seq}
	if confirm {
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		out.Class, err = s.confirmed(ctx, st, seq, payload)
	} else {
		err = s.node.Publish(st, seq, payload)
	}
	if err != nil {
		return err
	}
	if s.json {
		return json.NewEncoder(s.out).Encode(out)
	}
	fmt.Fprintln(s.out, out)
	return nil
}

// published is what pub prints.
type published struct {
	Name  string `json:"name"`
	Seq   uint32 `json:"seq"`
	Class string `json:"class,omitempty"` // confirmed as this durability class promises
}

// String is the line for people.
func (p published) String() string {
	if p.Class == "" {
		return fmt.Sprintf("%s #%d", p.Name, p.Seq)
	}
	return fmt.Sprintf("%s #%d %s", p.Name, p.Seq, p.Class)
}

// confirmed publishes and waits for the first hop (P-13). Which class it keeps the name in is read in --config: the answer
// itself only says that the class's promise is kept.
func (s *session) confirmed(ctx context.Context, st *node.Stream, seq uint32, payload []byte) (string, error) {
	err := s.node.PublishConfirmed(ctx, st, seq, payload)
	if errors.Is(err, node.ErrNotKept) {
		return "memory", nil
	}
	return s.cfg.Store.Class(s.name).String(), err
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
	cmd.Flags().DurationVar(&t.timeout, "timeout", 2*time.Second, "how long to wait")
	t.formFlags(cmd)
	return cmd
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
		return fmt.Errorf("%w in %s", errNothing, s.timeout)
	case err != nil:
		return err
	}
	return s.print(ctx, &c)
}

func (t *tools) pingCommand() *cobra.Command {
	var count int
	cmd := &cobra.Command{Use: "ping NAME", Short: "Measure round trips to the newest content of a name", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		s, err := t.open(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		return s.ping(c.Context(), count)
	}}
	cmd.Flags().IntVar(&count, "count", 4, "round trips")
	cmd.Flags().DurationVar(&t.timeout, "timeout", 2*time.Second, "how long to wait for each")
	return cmd
}

func (t *tools) traceCommand() *cobra.Command {
	return &cobra.Command{Use: "trace NAME", Short: "The hops towards a name", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		s, err := t.open(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		return s.trace(c.Context())
	}}
}

func (t *tools) nameCommand() *cobra.Command {
	return &cobra.Command{Use: "name URI|HEX", Short: "What a URI is as a name, and the other way round", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return t.describeName(args[0])
	}}
}
