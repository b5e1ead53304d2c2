package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
)

// operatorCommands speak to a running node's admin address.
func (e *env) operatorCommands() []*cobra.Command {
	list := []*cobra.Command{
		e.statusCommand(), e.faceCommand(), e.routeCommand(), e.strategyCommand(), e.storeCommand(), e.reloadCommand(), e.pluginCommand(),
	}
	for _, c := range list {
		c.PersistentFlags().StringVar(&e.admin, "admin", "", "admin `ADDRESS` of the node: unix:PATH or HOST:PORT (default: the one of --config)")
		c.PersistentFlags().BoolVar(&e.json, "json", false, "print JSON")
	}
	return list
}

// client finds the node: --admin, or the address in --config. The token of an address over TCP is ZMESH_ADMIN_TOKEN, or that of --config.
func (e *env) client() (*admin.Client, error) {
	token := os.Getenv("ZMESH_ADMIN_TOKEN")
	if e.admin != "" {
		return admin.NewClient(e.admin, token, nil), nil
	}
	if e.config == "" {
		return nil, usage("which node? Give --admin ADDRESS, or --config FILE of the node")
	}
	cfg, err := e.load()
	if err != nil {
		return nil, err
	}
	if token == "" {
		token = string(cfg.Admin.Token.Bytes())
	}
	if cfg.Admin.Network == "unix" {
		return admin.NewClient("unix:"+cfg.Admin.Address, token, nil), nil
	}
	tc, err := clientTLS(cfg.Admin.TLS)
	if err != nil {
		return nil, err
	}
	return admin.NewClient(cfg.Admin.Address, token, tc), nil
}

// clientTLS is the operator's side of an admin address with mutual TLS: the node's own certificate, which its client_ca must have
// signed, serves for both. nil: no TLS.
func clientTLS(t *config.AdminTLS) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("admin certificate %s: %w", t.Certificate, err)
	}
	pem, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("admin client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, MinVersion: tls.VersionTLS13}, nil
}

// read gets a URL and prints it: as JSON, or by show.
func read[T any](e *env, ctx context.Context, path string, show func(T)) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var out T
	if err := c.Get(ctx, path, &out); err != nil {
		return err
	}
	if e.json {
		return e.printJSON(out)
	}
	show(out)
	return nil
}

func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows in columns.
func (e *env) table(head string, rows func(add func(cells ...any))) {
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(head, " ", "\t"))
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, c)
		}
		fmt.Fprintln(w)
	})
	_ = w.Flush()
}

func (e *env) statusCommand() *cobra.Command {
	var perf bool
	cmd := &cobra.Command{Use: "status", Short: "How a running node stands", RunE: func(c *cobra.Command, _ []string) error {
		if perf {
			return e.perf(c.Context())
		}
		return read(e, c.Context(), "/v1/status", func(s admin.Status) {
			fmt.Fprintf(e.out, "node      %s (%s, %s names, version %s)\n", s.Name, s.ID, s.Naming, s.Version)
			fmt.Fprintf(e.out, "up        %s, %d workers, %.1f MiB\n", s.Uptime.Round(time.Second), s.Workers, float64(s.Memory)/(1<<20))
			fmt.Fprintf(e.out, "frames    %d in, %d out over %d faces; %d routes\n", s.InFrames, s.OutFrames, s.Faces, s.Routes)
			fmt.Fprintf(e.out, "pending   %d Interests, %d subscriptions of %d subscribers\n", s.Tables.PIT, s.Tables.Subscriptions, s.Tables.Subscribers)
			fmt.Fprintf(e.out, "answered  %d from the store, %d forwarded, %d merged, %d pushed\n", s.Totals.StoreHits, s.Totals.Forwarded, s.Totals.Merged, s.Totals.Pushed)
			fmt.Fprintf(e.out, "store     %d names, %d contents in memory, %d hours on disk (%s)\n", s.Store.Names, s.Store.InMemory, s.Store.Hours, s.Store.Durability)
			for _, m := range s.Store.Mirrors {
				fmt.Fprintf(e.out, "mirror    %s\n", mirrorText(&m))
			}
			fmt.Fprintf(e.out, "dropped   %s\n", counts(s.Drops))
			if s.PluginJournal.Lost > 0 {
				fmt.Fprintln(e.out, journalText(s.PluginJournal))
			}
		})
	}}
	cmd.Flags().BoolVar(&perf, "perf", false, "show where its time goes: by stage for each frame, and by socket")
	return cmd
}

func counts(m map[string]uint64) string {
	if len(m) == 0 {
		return "none"
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}

func (e *env) faceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "face", Short: "List the faces of a running node, or set one up or down", RunE: func(c *cobra.Command, _ []string) error {
		return read(e, c.Context(), "/v1/faces", func(list []admin.Face) {
			e.table("ID NAME STATE PEER IN OUT SUBS RTT DROPPED", func(add func(...any)) {
				for _, f := range list {
					add(f.ID, f.Name, faceState(&f), or(f.Forwarder, f.Peer, "-"), f.InFrames, f.OutFrames, f.Subscriptions, f.RTT.Round(time.Microsecond), counts(f.Drops))
				}
			})
			for _, f := range list {
				if f.Driver != nil && f.Driver.Problem != "" {
					fmt.Fprintf(e.out, "%s: %s\n", f.Name, f.Driver.Problem)
				}
			}
		})
	}}
	for _, state := range []string{"up", "down"} {
		cmd.AddCommand(&cobra.Command{Use: state + " NAME", Short: "Set a face " + state, Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
			return e.change(fmt.Sprintf("face %s is %s", args[0], state), func(cl *admin.Client) error {
				return cl.SetFace(c.Context(), args[0], state == "up")
			})
		}})
	}
	return cmd
}

func faceState(f *admin.Face) string {
	switch {
	case f.Listener:
		return "listening"
	case !f.Up:
		return "down"
	case f.OnDemand:
		return "on demand"
	}
	return "up"
}

func or(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// change does something to a node and says what was done.
func (e *env) change(said string, do func(*admin.Client) error) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	if err := do(c); err != nil {
		return err
	}
	if e.json {
		return e.printJSON(map[string]string{"done": said})
	}
	fmt.Fprintln(e.out, said)
	return nil
}

func (e *env) post(ctx context.Context, path string, in any, said string) error {
	return e.change(said, func(c *admin.Client) error { return c.Post(ctx, path, in, nil) })
}

func (e *env) routeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "route", Short: "List the routes of a running node, add or remove one", RunE: func(c *cobra.Command, _ []string) error {
		return read(e, c.Context(), "/v1/routes", func(list []admin.Route) {
			e.table("PREFIX FACE COST ORIGIN USED LEFT", func(add func(...any)) {
				for _, r := range list {
					add(or(r.Prefix, `""`), or(r.Face, "(here)"), r.Cost, or(r.Origin, "static"), r.Used, r.Left)
				}
			})
		})
	}}
	var cost uint16
	add := &cobra.Command{Use: "add PREFIX FACE", Short: "Add a static route, until the next reload or start", Args: cobra.ExactArgs(2), RunE: func(c *cobra.Command, args []string) error {
		r := admin.Route{Prefix: args[0], Face: args[1], Cost: cost}
		return e.post(c.Context(), "/v1/routes", r, fmt.Sprintf("route to %q by %s, cost %d", r.Prefix, r.Face, r.Cost))
	}}
	add.Flags().Uint16Var(&cost, "cost", 10, "cost of the route")
	remove := &cobra.Command{Use: "remove PREFIX FACE", Short: "Remove a static route", Args: cobra.ExactArgs(2), RunE: func(c *cobra.Command, args []string) error {
		return e.change(fmt.Sprintf("no static route to %q by %s", args[0], args[1]), func(cl *admin.Client) error {
			return cl.Delete(c.Context(), "/v1/routes", admin.Route{Prefix: args[0], Face: args[1]})
		})
	}}
	cmd.AddCommand(add, remove)
	return cmd
}

func (e *env) strategyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "strategy", Short: "List the strategies of a running node by prefix, or set one", RunE: func(c *cobra.Command, _ []string) error {
		return read(e, c.Context(), "/v1/strategies", func(list []admin.Strategy) {
			e.table("PREFIX STRATEGY", func(add func(...any)) {
				for _, s := range list {
					add(or(s.Prefix, `""`), s.Plugin)
				}
			})
		})
	}}
	cmd.AddCommand(&cobra.Command{Use: "set PREFIX PLUGIN", Short: "Set the strategy of a prefix, until the next reload or start", Args: cobra.ExactArgs(2), RunE: func(c *cobra.Command, args []string) error {
		return e.post(c.Context(), "/v1/strategies", admin.Strategy{Prefix: args[0], Plugin: args[1]}, fmt.Sprintf("strategy of %q is %s", args[0], args[1]))
	}})
	return cmd
}

// mirrorText is a mirror for people.
func mirrorText(m *admin.Mirror) string {
	text := fmt.Sprintf("%s: %d names, %d contents copied, %d behind, %d lost", m.Prefix, m.Names, m.Copied, m.Behind, m.Lost)
	if m.Full {
		text += "; there are more names than it can follow"
	}
	return text
}

func (e *env) reloadCommand() *cobra.Command {
	return &cobra.Command{Use: "reload", Short: "Apply the changed configuration file: all of it or nothing", RunE: func(c *cobra.Command, _ []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		var out admin.Reloaded
		if err := cl.Post(c.Context(), "/v1/reload", struct{}{}, &out); err != nil {
			return err
		}
		if e.json {
			return e.printJSON(out)
		}
		if len(out.Changes) == 0 {
			fmt.Fprintln(e.out, "nothing has changed")
		}
		for _, change := range out.Changes {
			fmt.Fprintln(e.out, change)
		}
		return nil
	}}
}
