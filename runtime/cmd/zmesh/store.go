package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/host"
)

func (e *env) storeCommand() *cobra.Command {
	show := func(c *cobra.Command, _ []string) error { return read(e, c.Context(), "/v1/store", e.showStore) }
	cmd := &cobra.Command{Use: "store", Short: "The content store: look at it, clear it, back it up, restore and verify it", RunE: show}
	var top int
	stats := &cobra.Command{Use: "stats", Short: "What the content store of a running node holds and did", RunE: func(c *cobra.Command, args []string) error {
		if top > 0 {
			return e.storeTop(c.Context(), top)
		}
		return show(c, args)
	}}
	stats.Flags().IntVar(&top, "top", 0, "instead, the `N` names that take most room; reads the whole store")
	stats.Flags().Lookup("top").NoOptDefVal = "20"
	cmd.AddCommand(stats, e.storeListCommand(), e.storeClearCommand(), e.storeBackupCommand(), e.storeRestoreCommand(), e.storeVerifyCommand(),
		e.sleepersCommand())
	return cmd
}

func (e *env) showStore(s admin.Store) {
	fmt.Fprintf(e.out, "names      %d\n", s.Names)
	fmt.Fprintf(e.out, "in memory  %d contents, %d bytes\n", s.InMemory, s.LogBytes)
	if s.Disk {
		fmt.Fprintf(e.out, "on disk    %d hours, %d bytes; %d committed, %d failed (%s, kept %s)\n", s.Hours, s.DiskBytes, s.Commits, s.Failures, s.Durability, s.Retention)
		fmt.Fprintf(e.out, "lost       %d hours dropped before their time, %d damaged\n", s.Dropped, s.Damaged)
	} else {
		fmt.Fprintf(e.out, "on disk    nothing (%s)\n", s.Durability)
	}
	if s.Trouble != "" {
		fmt.Fprintf(e.out, "trouble    %s\n", s.Trouble)
	}
	fmt.Fprintf(e.out, "conflicts  %d\n", s.Conflicts)
	fmt.Fprintf(e.out, "not kept   %s\n", counts(s.NotKept))
	for _, m := range s.Mirrors {
		fmt.Fprintf(e.out, "mirror     %s\n", mirrorText(&m))
	}
}

// eachStored calls use with every stored name under a prefix, page by page.
func (e *env) eachStored(ctx context.Context, prefix, after string, use func(admin.StoreName) (more bool)) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	for {
		var page admin.StoreNames
		query := url.Values{"prefix": {prefix}, "after": {after}, "limit": {fmt.Sprint(admin.MaxStoreNames)}}
		if err := c.Get(ctx, "/v1/store/names?"+query.Encode(), &page); err != nil {
			return err
		}
		for _, n := range page.Names {
			if !use(n) {
				return nil
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

func (e *env) storeTop(ctx context.Context, n int) error {
	var list []admin.StoreName
	trim := func() {
		slices.SortStableFunc(list, func(a, b admin.StoreName) int { return cmp.Compare(b.Bytes, a.Bytes) })
		list = list[:min(len(list), n)]
	}
	err := e.eachStored(ctx, "", "", func(s admin.StoreName) bool {
		if list = append(list, s); len(list) >= 2*n+admin.MaxStoreNames {
			trim()
		}
		return true
	})
	if err != nil {
		return err
	}
	trim()
	return e.showNames(list)
}

func (e *env) showNames(list []admin.StoreName) error {
	if e.json {
		if list == nil {
			list = []admin.StoreName{}
		}
		return e.printJSON(list)
	}
	e.table("NAME NEWEST CONTENTS BYTES AGE URI", func(add func(...any)) {
		for _, s := range list {
			add(s.Name, s.Newest, s.Contents, s.Bytes, time.Since(s.Last).Round(time.Second), or(s.URI, "-"))
		}
	})
	return nil
}

func (e *env) storeListCommand() *cobra.Command {
	var after string
	var limit int
	cmd := &cobra.Command{Use: "list [PREFIX]", Short: "The stored names under a prefix: newest number, contents, bytes, age of the newest", Args: cobra.MaximumNArgs(1), RunE: func(c *cobra.Command, args []string) error {
		if limit < 1 || limit > 1_000_000 {
			return usage("--limit %d: want a number from 1 to 1000000", limit)
		}
		var list []admin.StoreName
		err := e.eachStored(c.Context(), append(args, "")[0], after, func(s admin.StoreName) bool {
			list = append(list, s)
			return len(list) < limit
		})
		if err != nil {
			return err
		}
		if err := e.showNames(list); err != nil {
			return err
		}
		if len(list) == limit {
			fmt.Fprintf(e.errOut, "there may be more: --after %s\n", list[limit-1].Name)
		}
		return nil
	}}
	cmd.Flags().StringVar(&after, "after", "", "begin behind this `NAME`, 12 hex digits")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most so many names")
	return cmd
}

func (e *env) storeClearCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "clear PREFIX", Short: `Remove what is stored under a prefix, "" for everything`, Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		if !yes {
			return usage("this removes everything stored under %q for good: say --yes", args[0])
		}
		return storeDo(e, c.Context(), "clear", admin.StoreClear{Prefix: args[0]}, func(out admin.StoreClear) string {
			return fmt.Sprintf("removed what was stored of %d names under %q", out.Names, out.Prefix)
		})
	}}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func (e *env) storeBackupCommand() *cobra.Command {
	return &cobra.Command{Use: "backup FOLDER", Short: "Copy the store of a running node into a new folder on its machine", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		folder, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		return storeDo(e, c.Context(), "backup", admin.StoreBackup{Folder: folder}, func(out admin.StoreBackup) string {
			return fmt.Sprintf("backed up %d hours to %s", out.Hours, out.Folder)
		})
	}}
}

// storeDo is what the two have in common that change something and say what.
func storeDo[T any](e *env, ctx context.Context, verb string, in T, said func(T) string) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var out T
	if err := c.Post(ctx, "/v1/store/"+verb, in, &out); err != nil {
		return err
	}
	if e.json {
		return e.printJSON(out)
	}
	fmt.Fprintln(e.out, said(out))
	return nil
}

func (e *env) storeRestoreCommand() *cobra.Command {
	return &cobra.Command{Use: "restore FOLDER", Short: "Copy a backup into the data folder of --config, where no store may be and no node may run", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		cfg, err := e.load()
		if err != nil {
			return err
		}
		hours, err := host.RestoreStore(cfg, args[0])
		if err != nil {
			return err
		}
		if e.json {
			return e.printJSON(admin.StoreBackup{Folder: args[0], Hours: hours})
		}
		fmt.Fprintf(e.out, "restored %d hours from %s\n", hours, args[0])
		return nil
	}}
}

func (e *env) storeVerifyCommand() *cobra.Command {
	return &cobra.Command{Use: "verify", Short: "Read everything that is on disk, checksums and MACs, of a running node or, with --config, of one that does not run", RunE: func(c *cobra.Command, _ []string) error {
		list := []admin.StoreVerified{}
		note := func(v admin.StoreVerified) { list = append(list, v) }
		err := e.verifyRunning(c.Context(), note)
		if errors.Is(err, admin.ErrUnreachable) && e.config != "" {
			err = e.verifyFolder(c.Context(), note)
		}
		if err != nil {
			return err
		}
		return e.showVerified(list)
	}}
}

func (e *env) verifyRunning(ctx context.Context, note func(admin.StoreVerified)) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	for hour := uint32(0); ; {
		var v admin.StoreVerified
		if err := c.Get(ctx, fmt.Sprintf("/v1/store/verify?hour=%d", hour), &v); err != nil {
			return err
		}
		note(v)
		if hour = v.Next; hour == 0 {
			return nil
		}
	}
}

func (e *env) verifyFolder(ctx context.Context, note func(admin.StoreVerified)) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	return host.VerifyStore(ctx, cfg, note)
}

func (e *env) showVerified(list []admin.StoreVerified) error {
	contents, bad := 0, 0
	for _, v := range list {
		contents += v.Contents
		if v.Error != "" {
			bad++
		}
	}
	if e.json {
		if err := e.printJSON(list); err != nil {
			return err
		}
	} else {
		for _, v := range list {
			fmt.Fprintf(e.out, "%s: %d contents, %d bytes: %s\n", v.Folder, v.Contents, v.Bytes, or(v.Error, "good"))
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d folders of the store are damaged; what can be read of them is still served", bad, len(list))
	}
	if !e.json {
		fmt.Fprintf(e.out, "%d contents, all good\n", contents)
	}
	return nil
}
