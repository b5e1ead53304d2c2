package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/sdk/node"
)

// subFlags are those of sub.
type subFlags struct {
	from   uint32
	since  string
	cursor string
	span   time.Duration
	count  int
}

func (t *tools) subCommand() *cobra.Command {
	var f subFlags
	cmd := &cobra.Command{Use: "sub NAME", Short: "Subscribe: every content, in order and without holes", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		if f.count < 0 || f.span < 0 {
			return usage("--count and --for want numbers that are not below 0")
		}
		begin, err := f.begin(time.Now())
		if err != nil {
			return err
		}
		open := t.open
		if f.since != "" || f.cursor != "" { // a wildcard's names have numbers of their own each
			open = t.openOne
		}
		s, err := open(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer s.close()
		return s.sub(c.Context(), &f, begin)
	}}
	cmd.Flags().Uint32Var(&f.from, "from", 0, "begin with number `N` (default: with what is published from now)")
	cmd.Flags().StringVar(&f.since, "since", "", "begin with what the node of --config or --admin has stored since `TIME` (RFC 3339), or for this long (90m)")
	cmd.Flags().StringVar(&f.cursor, "cursor", "", "remember under this `NAME`, in data_dir, how far this subscriber has come, and go on there the next time")
	cmd.Flags().DurationVar(&f.span, "for", 0, "stop after this time (default: never)")
	cmd.Flags().IntVar(&f.count, "count", 0, "stop after `N` contents")
	cmd.Flags().StringVar(&t.admin, "admin", "", "admin `ADDRESS` for --since (default: the one of --config)")
	cmd.MarkFlagsMutuallyExclusive("from", "since")
	t.formFlags(cmd)
	return cmd
}

// begin reads --since and --cursor before anything is opened. The time is zero without --since.
func (f *subFlags) begin(now time.Time) (at time.Time, err error) {
	if f.cursor != "" {
		if err := node.CheckCursor(f.cursor); err != nil {
			return at, usageError{err}
		}
	}
	if f.since == "" {
		return at, nil
	}
	if d, err := time.ParseDuration(f.since); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if at, err = time.Parse(time.RFC3339Nano, f.since); err != nil {
		return at, usage("--since %.40q: want a time such as 2026-01-31T08:00:00Z, or a span such as 90m", f.since)
	}
	return at, nil
}

// subscribe opens the subscription: where its cursor stands, or else as the flags say.
func (s *session) subscribe(ctx context.Context, f *subFlags, begin time.Time, c *node.Cursor) (*node.Subscription, error) {
	if c != nil {
		if at, ok := c.Position(); ok {
			return s.node.Resume(s.name, at)
		}
	}
	if begin.IsZero() {
		sub, err := s.node.Subscribe(s.name, f.from, s.cfg.Own().IsWildcard(s.name))
		if err != nil {
			return nil, usageError{err}
		}
		return sub, nil
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	return s.node.SubscribeSince(ctx, s.name, begin, client.Since)
}

// lost is what sub --json prints of numbers that nobody has any more.
type lost struct {
	Name string `json:"name"`
	Lost bool   `json:"lost"`
	From uint32 `json:"from"`
	To   uint32 `json:"to"`
}

func (s *session) sub(ctx context.Context, f *subFlags, begin time.Time) (err error) {
	caller := ctx
	if f.span > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.span)
		defer cancel()
	}
	var mark *node.Cursor
	if f.cursor != "" {
		if mark, err = node.OpenCursor(filepath.Join(s.cfg.Node.DataDir, "cursors"), f.cursor, s.name); err != nil {
			return err
		}
		defer mark.Close()
	}
	sub, err := s.subscribe(ctx, f, begin, mark)
	if err != nil {
		return err
	}
	defer sub.Close()
	in := &follower{sub: sub, mark: mark}
	defer func() { err = errors.Join(err, in.commit()) }()
	for came := 0; f.count == 0 || came < f.count; {
		u, err := in.next(ctx)
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
		in.printed()
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
