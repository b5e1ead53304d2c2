package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/sdk/node"
)

// subFlags are those of sub.
type subFlags struct {
	from  uint32
	span  time.Duration
	count int
}

func (t *tools) subCommand() *cobra.Command {
	var f subFlags
	cmd := &cobra.Command{Use: "sub NAME", Short: "Subscribe: every content, in order and without holes", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		if f.count < 0 || f.span < 0 {
			return usage("--count and --for want numbers that are not below 0")
		}
		s, err := t.open(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		return s.sub(c.Context(), &f)
	}}
	cmd.Flags().Uint32Var(&f.from, "from", 0, "begin with number `N` (default: with what is published from now)")
	cmd.Flags().DurationVar(&f.span, "for", 0, "stop after this time (default: never)")
	cmd.Flags().IntVar(&f.count, "count", 0, "stop after `N` contents")
	t.formFlags(cmd)
	return cmd
}

// lost is what sub --json prints of numbers that nobody has any more.
type lost struct {
	Name string `json:"name"`
	Lost bool   `json:"lost"`
	From uint32 `json:"from"`
	To   uint32 `json:"to"`
}

func (s *session) sub(ctx context.Context, f *subFlags) error {
	caller := ctx
	if f.span > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.span)
		defer cancel()
	}
	sub, err := s.node.Subscribe(s.name, f.from, s.cfg.Own().IsWildcard(s.name))
	if err != nil {
		return usageError{err}
	}
	defer sub.Close()
	for came := 0; f.count == 0 || came < f.count; {
		u, err := sub.Next(ctx)
		switch {
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled) && caller.Err() != nil:
			if came == 0 {
				return errNothing
			}
			return s.unread
		case err != nil:
			return err
		case u.Lost:
			err = s.printLost(&u)
		default:
			came++
			err = s.showing(ctx, &u.Content)
		}
		if err != nil {
			return err
		}
		if u.Missed > 0 {
			fmt.Fprintf(s.errOut, "zmesh: %s: %d contents came faster than they could be printed and are left out\n", s.name, u.Missed)
		}
	}
	return s.unread
}

// showing prints one of many contents. One that does not open or cannot be decoded is told and does not end the others; the
// command fails in the end.
func (s *session) showing(ctx context.Context, c *node.Content) error {
	err := s.print(ctx, c)
	var broken *brokenError
	if errors.As(err, &broken) {
		fmt.Fprintln(s.errOut, "zmesh:", err)
		s.unread = errors.New("not all that came could be read")
		return nil
	}
	return err
}

func (s *session) printLost(u *node.Update) error {
	if s.json {
		return json.NewEncoder(s.out).Encode(lost{u.Name.String(), true, u.From, u.To})
	}
	fmt.Fprintf(s.errOut, "zmesh: %s: numbers %d to %d are lost\n", s.name, u.From, u.To)
	return nil
}
