package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/core/store"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/sdk/node"
)

// payloadFlags say what is published.
type payloadFlags struct {
	text, hex, file string
	values          []string
	lines, confirm  bool
	seq             uint32
}

// forms are the flags that a payload can be given by: exactly one of them.
var forms = []string{"text", "hex", "file", "value", "lines"}

func (t *tools) pubCommand() *cobra.Command {
	var p payloadFlags
	cmd := &cobra.Command{Use: "pub NAME", Short: "Publish a content", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		once, err := p.check(c.Flags().Changed)
		if err != nil {
			return err
		}
		t.publishes = true
		s, err := t.openOne(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		return s.pub(c.Context(), &p, once)
	}}
	f := cmd.Flags()
	f.StringVar(&p.text, "text", "", "publish this `TEXT`")
	f.StringVar(&p.hex, "hex", "", "publish these bytes, in `HEX`")
	f.StringVar(&p.file, "file", "", "publish what is in `FILE`")
	f.StringArrayVar(&p.values, "value", nil, "publish `[NAME=]VALUE[ UNIT]`, encoded by the stream's decoder, more than once if it takes that; without a decoder a number as text")
	f.BoolVar(&p.lines, "lines", false, "publish each line of standard input")
	f.BoolVar(&p.confirm, "confirm", false, "wait until the first hop has stored it, and print its durability class")
	f.Uint32Var(&p.seq, "seq", 0, "number it `N` (default: the next of the producer's own watermark)")
	t.timeoutFlag(cmd, 30*time.Second, "how long --confirm waits")
	cmd.MarkFlagsMutuallyExclusive(forms...)
	cmd.MarkFlagsOneRequired(forms...)
	return cmd
}

// check reads the flags before anything is opened: the payload of all forms but --lines.
func (p *payloadFlags) check(given func(string) bool) (once []byte, err error) {
	if given("seq") && (p.seq < wire.SeqFirst || p.seq > wire.SeqLast) {
		return nil, usage("--seq %d: want a number from %d to %d", p.seq, wire.SeqFirst, wire.SeqLast)
	}
	switch {
	case given("hex"):
		if once, err = hex.DecodeString(p.hex); err != nil {
			return nil, usage("--hex: %w", err)
		}
	case given("file"):
		return readPayload(p.file)
	case given("value"): // what it is says the stream
	default:
		once = []byte(p.text)
	}
	return once, nil
}

// readPayload reads a file, and no more of it than tells that it is too long.
func readPayload(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, wire.MaxPayload+1))
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	return b, nil
}

// publication is a stream that is published to, and where its numbers come from.
type publication struct {
	*session
	stream  *node.Stream
	next    func() (uint32, error)
	confirm bool
}

func (s *session) pub(ctx context.Context, p *payloadFlags, once []byte) (err error) {
	st, err := s.stream(s.name)
	if err != nil {
		return err
	}
	if p.values != nil {
		if once, err = s.valuePayload(ctx, p.values); err != nil {
			return err
		}
	}
	out := &publication{session: s, stream: st, confirm: p.confirm, next: counting(p.seq)}
	if p.seq == 0 {
		marks, err := node.OpenWatermark(filepath.Join(s.cfg.Node.DataDir, "watermarks"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, marks.Close()) }()
		out.next = func() (uint32, error) { return marks.Next(s.name) }
	}
	if p.lines {
		return out.lines(ctx)
	}
	return out.one(ctx, once)
}

// counting gives numbers from one on.
func counting(seq uint32) func() (uint32, error) {
	return func() (uint32, error) {
		seq++
		if seq-1 > wire.SeqLast {
			return 0, fmt.Errorf("%d is the last number", wire.SeqLast)
		}
		return seq - 1, nil
	}
}

// lines publishes each line of standard input. What is read is read beside, so that an interrupt ends it while nothing comes.
func (p *publication) lines(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines, ended := make(chan []byte), make(chan error, 1)
	go func() { // it ends with the input, or with the process: a Read of standard input cannot be taken back
		defer close(lines)
		in := bufio.NewScanner(p.in)
		in.Buffer(make([]byte, 0, 4<<10), longestLine)
		for in.Scan() {
			select {
			case lines <- append([]byte(nil), in.Bytes()...):
			case <-ctx.Done():
				return
			}
		}
		ended <- in.Err()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, more := <-lines:
			if !more {
				return inputError(ended)
			}
			if err := p.one(ctx, line); err != nil {
				return err
			}
		}
	}
}

// longestLine is more than fits a frame, so that the mistake is told by its length.
const longestLine = 64 << 10

func inputError(ended <-chan error) error {
	select {
	case err := <-ended:
		if errors.Is(err, bufio.ErrTooLong) {
			return usage("a line is longer than %d bytes: at most %d fit a frame", longestLine, wire.MaxPayload)
		}
		return err
	default:
		return nil
	}
}

func (p *publication) one(ctx context.Context, payload []byte) error {
	if most := wire.MaxPayload - p.stream.Overhead(); len(payload) > most {
		return usage("the payload is too long: at most %d bytes fit a frame", most)
	}
	seq, err := p.next()
	if err != nil {
		return err
	}
	out := published{Name: p.name.String(), Seq: seq}
	if p.confirm {
		out.Class, err = p.confirmed(ctx, seq, payload)
	} else {
		err = p.node.Publish(p.stream, seq, payload)
	}
	if err != nil {
		return err
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(out)
	}
	fmt.Fprintln(p.out, out)
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
// itself only says that the class's promise is kept. Where the class is memory the promise is none and the answer is a Return; from a
// class on disk that Return means that the content was not stored: it is over a limit of the store (P-22).
func (p *publication) confirmed(ctx context.Context, seq uint32, payload []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	class := p.cfg.Store.Class(p.name)
	err := p.node.PublishConfirmed(ctx, p.stream, seq, payload)
	if errors.Is(err, node.ErrNotKept) {
		if class == store.Memory {
			return class.String(), nil
		}
		return "", fmt.Errorf("number %d of %s was sent and not stored: the first hop keeps it in memory only, or max_rate_per_name or another "+
			"limit of its store is reached", seq, p.name)
	}
	var ret *node.ReturnError
	if errors.As(err, &ret) {
		return "", fmt.Errorf("number %d of %s was not taken (%s): the face there must have the name under publish, and no other program may "+
			"publish it", seq, p.name, ret.Reason)
	}
	return class.String(), oneLine(err)
}

// oneLine makes one sentence of an error that was joined.
func oneLine(err error) error {
	if err == nil {
		return nil
	}
	return &sentence{err}
}
