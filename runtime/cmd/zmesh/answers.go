package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/plugin"
	"github.com/zmesh/zmesh/sdk/node"
)

// line is what get and sub print of a content: one JSON object a line.
type line struct {
	Name     string   `json:"name"`
	URI      string   `json:"uri"`
	Seq      uint32   `json:"seq"`
	Received string   `json:"received"`
	Payload  string   `json:"payload"` // hex: decrypted, or as it travels with --raw
	Records  []senML  `json:"records"`
	Errors   []string `json:"errors,omitempty"`
}

// senML is a record in SenML's JSON form (RFC 8428, 4.3).
type senML struct {
	Name   string   `json:"n"`
	Unit   string   `json:"u,omitempty"`
	Value  *float64 `json:"v,omitempty"`
	String *string  `json:"vs,omitempty"`
	Bool   *bool    `json:"vb,omitempty"`
	Data   *string  `json:"vd,omitempty"` // base64url, as RFC 8428 has it
	Time   float64  `json:"t,omitempty"`  // seconds from the time of receipt
}

// print opens, decodes and prints a content.
func (s *session) print(ctx context.Context, c *node.Content) error {
	l := line{Name: c.Name.String(), Seq: c.Seq, Received: c.Received.Format(time.RFC3339Nano), Records: []senML{}}
	l.URI, _ = s.cfg.URI(c.Name)
	plain := c.Payload
	if !s.raw {
		st, err := s.stream(c.Name)
		if err != nil {
			return err
		}
		if plain, err = st.Open(c.Payload, c.Seq); err != nil {
			return fmt.Errorf("%s #%d: %w", c.Name, c.Seq, err)
		}
	}
	l.Payload = hex.EncodeToString(plain)
	if !s.raw {
		got, err := s.dec.decode(ctx, c, plain)
		if err != nil && (s.decode || !errors.Is(err, errNoDecoder)) {
			return err
		}
		l.Records, l.Errors = senMLOf(got.Records), got.Errors
	}
	if s.json {
		return json.NewEncoder(s.out).Encode(l)
	}
	fmt.Fprintf(s.out, "%s #%d %s\n", or(l.URI, l.Name), l.Seq, s.text(&l, plain))
	return nil
}

// text is a content for people: its records, else its text if it is one, else hex.
func (s *session) text(l *line, plain []byte) string {
	if len(l.Records) > 0 || len(l.Errors) > 0 {
		out := ""
		for i, r := range l.Records {
			if i > 0 {
				out += "  "
			}
			out += r.text()
		}
		for _, e := range l.Errors {
			out += "  (" + e + ")"
		}
		return out
	}
	if !s.raw && len(plain) > 0 && utf8.Valid(plain) && !slices.ContainsFunc([]rune(string(plain)), unprintable) {
		return string(plain)
	}
	return l.Payload
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

func (r *senML) text() string {
	v := "n/a"
	switch {
	case r.Value != nil:
		v = fmt.Sprintf("%g", *r.Value)
	case r.String != nil:
		v = *r.String
	case r.Bool != nil:
		v = fmt.Sprint(*r.Bool)
	case r.Data != nil:
		v = *r.Data
	}
	if r.Unit != "" {
		v += " " + r.Unit
	}
	return r.Name + " " + v
}

// getAll asks for every name that a pattern matches, and prints what comes until the time is over.
func (s *session) getAll(ctx context.Context, seq uint32) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	found := 0
	err := s.node.GetAll(ctx, s.name, seq, func(c node.Content) error {
		found++
		return s.print(ctx, &c)
	})
	switch {
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return err
	case found == 0:
		return fmt.Errorf("%w in %s", errNothing, s.timeout)
	}
	return nil
}

// round is one round trip.
type round struct {
	Seq  uint32  `json:"seq"`
	MS   float64 `json:"ms"`
	From string  `json:"from"`
}

// ping measures.
func (s *session) ping(ctx context.Context, count int) error {
	var times []time.Duration
	for i := 0; i < count && ctx.Err() == nil; i++ {
		one, cancel := context.WithTimeout(ctx, s.timeout)
		start := time.Now()
		c, err := s.node.Get(one, s.name, wire.SeqNewest)
		cancel()
		if err != nil {
			fmt.Fprintf(s.errOut, "%d: %v\n", i+1, err)
			continue
		}
		took := c.Received.Sub(start)
		times = append(times, took)
		from := fmt.Sprintf("the store of a forwarder %d hops behind the first", wire.MaxTTL-int(c.TTL))
		if c.TTL == wire.MaxTTL {
			from = "the first forwarder's store"
		}
		r := round{Seq: c.Seq, MS: float64(took) / float64(time.Millisecond), From: from}
		if s.json {
			if err := json.NewEncoder(s.out).Encode(r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(s.out, "%s #%d from %s: %.3f ms\n", s.name, r.Seq, r.From, r.MS)
	}
	if len(times) == 0 {
		return errNothing
	}
	slices.Sort(times)
	at := func(p int) time.Duration { return times[(len(times)-1)*p/100].Round(time.Microsecond) }
	if !s.json {
		fmt.Fprintf(s.out, "%d of %d answered; p50 %s, p90 %s, p99 %s, most %s\n", len(times), count, at(50), at(90), at(99), at(100))
	}
	return nil
}

// hop is a line of trace.
type hop struct {
	TTL    uint8   `json:"ttl"`
	Node   string  `json:"node,omitempty"`
	Answer string  `json:"answer"`
	MS     float64 `json:"ms"`
}

// trace prints who is on the way (P-18).
func (s *session) trace(ctx context.Context) error {
	hops := 0
	err := s.node.Trace(ctx, s.name, func(h node.Hop) {
		hops++
		out := hop{TTL: h.TTL, Answer: "content", MS: float64(h.RTT) / float64(time.Millisecond)}
		if h.Reason != 0 {
			out.Node, out.Answer = fmt.Sprintf("%08x", h.Node), h.Reason.String()
		}
		if s.json {
			_ = json.NewEncoder(s.out).Encode(out)
			return
		}
		fmt.Fprintf(s.out, "%d  %-8s  %-10s  %.3f ms\n", out.TTL+1, or(out.Node, "-"), out.Answer, out.MS)
	})
	if err == nil && hops == 0 {
		return errNothing
	}
	return err
}

// described is what `zmesh name` prints.
type described struct {
	Text         string `json:"text"`
	Hash         string `json:"hash,omitempty"`         // of a URI, as a hashed network has it
	Hierarchical string `json:"hierarchical,omitempty"` // with the table of --config
	Name         string `json:"name,omitempty"`         // in the network of --config
	URI          string `json:"uri,omitempty"`
	Class        string `json:"class,omitempty"`
}

func (t *tools) describeName(text string) error {
	d := described{Text: text}
	n, err := name.ParseHex(text)
	isHex := err == nil
	if !isHex {
		d.Hash = name.Hash(text).String()
	}
	if t.config != "" {
		cfg, err := t.load()
		if err != nil {
			return err
		}
		if n, err = cfg.Name(text); err != nil {
			return usageError{err}
		}
		d.Name, d.Class = n.String(), cfg.Own().Class(n).String()
		d.URI, _ = cfg.URI(n)
		if cfg.Own().Naming() == name.Hierarchical {
			d.Hierarchical = d.Name
		}
	} else if isHex {
		d.Name = n.String()
	}
	if t.json {
		return t.printJSON(d)
	}
	for _, row := range [][2]string{{"hash", d.Hash}, {"hierarchical", d.Hierarchical}, {"name", d.Name}, {"uri", d.URI}, {"class", d.Class}} {
		if row[1] != "" {
			fmt.Fprintf(t.out, "%-13s %s\n", row[0], row[1])
		}
	}
	return nil
}

func senMLOf(records []plugin.Record) []senML {
	out := []senML{}
	for i := range records {
		out = append(out, senMLRecord(&records[i]))
	}
	return out
}
