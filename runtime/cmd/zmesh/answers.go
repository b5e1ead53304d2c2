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
	Sum    *float64 `json:"s,omitempty"`
	String *string  `json:"vs,omitempty"`
	Bool   *bool    `json:"vb,omitempty"`
	Data   *string  `json:"vd,omitempty"` // base64url, as RFC 8428 has it
	Time   float64  `json:"t,omitempty"`  // seconds from the time of receipt; from 2^28 on Unix time
}

// brokenError says that a content came and cannot be read.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

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
			return &brokenError{fmt.Errorf("%s #%d: %w", c.Name, c.Seq, err)}
		}
	}
	l.Payload = hex.EncodeToString(plain)
	if !s.raw {
		got, err := s.dec.decode(ctx, c, plain)
		switch {
		case err == nil:
			l.Records, l.Errors = senMLOf(got.Records), got.Errors
		case s.decode:
			return &brokenError{fmt.Errorf("%s #%d: %w", c.Name, c.Seq, err)}
		case !errors.Is(err, errNoDecoder): // the consumer has the bytes, and what is wrong with the decoder
			l.Errors = []string{err.Error()}
		}
	}
	if s.json {
		return json.NewEncoder(s.out).Encode(l)
	}
	fmt.Fprintf(s.out, "%s #%d %s\n", or(l.URI, l.Name), l.Seq, s.text(&l, plain))
	return nil
}

// text is a content for people: its records, else its text if it is one, else hex.
func (s *session) text(l *line, plain []byte) string {
	if len(l.Records) > 0 {
		out := ""
		for i, r := range l.Records {
			if i > 0 {
				out += "  "
			}
			out += r.text()
		}
		return out + l.faults()
	}
	if !s.raw && len(plain) > 0 && utf8.Valid(plain) && !slices.ContainsFunc([]rune(string(plain)), unprintable) {
		return string(plain) + l.faults()
	}
	return l.Payload + l.faults()
}

// faults are what the decoder had to say.
func (l *line) faults() (out string) {
	for _, e := range l.Errors {
		out += "  (" + e + ")"
	}
	return out
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

func (r *senML) text() string {
	v := "n/a"
	switch {
	case r.Value != nil:
		v = fmt.Sprintf("%g", *r.Value)
	case r.Sum != nil:
		v = fmt.Sprintf("%g", *r.Sum)
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
		return s.showing(ctx, &c)
	})
	switch {
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return err
	case found == 0:
		return fmt.Errorf("%w in %s", errNothing, s.timeout)
	}
	return s.unread
}

// round is one round trip.
type round struct {
	Seq  uint32  `json:"seq"`
	MS   float64 `json:"ms"`
	From string  `json:"from"`
}

// summary is the last line of ping.
type summary struct {
	Asked    int     `json:"asked"`
	Answered int     `json:"answered"`
	Loss     float64 `json:"loss"` // 0 to 1
	P50      float64 `json:"p50_ms"`
	P90      float64 `json:"p90_ms"`
	P99      float64 `json:"p99_ms"`
	Most     float64 `json:"most_ms"`
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// summaryOf sorts the times.
func summaryOf(times []time.Duration, asked int) summary {
	slices.Sort(times)
	at := func(p int) float64 {
		if len(times) == 0 {
			return 0
		}
		return ms(times[(len(times)*p+99)/100-1]) // nearest rank
	}
	return summary{asked, len(times), 1 - float64(len(times))/float64(asked), at(50), at(90), at(99), at(100)}
}

// String is the line for people.
func (s summary) String() string {
	text := fmt.Sprintf("%d of %d answered, %.0f %% lost", s.Answered, s.Asked, 100*s.Loss)
	if s.Answered > 0 {
		text += fmt.Sprintf("; p50 %.3f ms, p90 %.3f ms, p99 %.3f ms, most %.3f ms", s.P50, s.P90, s.P99, s.Most)
	}
	return text
}

// ping measures.
func (s *session) ping(ctx context.Context, count int) error {
	var times []time.Duration
	asked := 0
	for ; asked < count && ctx.Err() == nil; asked++ {
		r, took, err := s.round(ctx)
		if err != nil {
			fmt.Fprintf(s.errOut, "zmesh: round trip %d: %v\n", asked+1, oneLine(err))
			continue
		}
		times = append(times, took)
		if err := s.say(r, fmt.Sprintf("%s #%d from %s: %.3f ms", s.name, r.Seq, r.From, r.MS)); err != nil {
			return err
		}
	}
	sum := summaryOf(times, max(asked, 1))
	if err := s.say(sum, sum.String()); err != nil || len(times) > 0 {
		return err
	}
	return errNothing
}

// round is one round trip. Only a content that comes from the neighbour's own store has the whole TTL (P-21).
func (s *session) round(ctx context.Context) (r round, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	start := time.Now()
	c, err := s.node.Get(ctx, s.name, wire.SeqNewest)
	if err != nil {
		return r, 0, err
	}
	took = c.Received.Sub(start)
	from := fmt.Sprintf("the producer or a store, %d hops behind the first forwarder", wire.MaxTTL-int(c.TTL))
	if c.TTL == wire.MaxTTL {
		from = "the first forwarder's store"
	}
	return round{Seq: c.Seq, MS: ms(took), From: from}, took, nil
}

// say prints a line: an object as JSON, or its text.
func (s *session) say(v any, text string) error {
	if s.json {
		return json.NewEncoder(s.out).Encode(v)
	}
	_, err := fmt.Fprintln(s.out, text)
	return err
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
	err := s.node.Trace(ctx, s.name, s.timeout, func(h node.Hop) {
		hops++
		out := hop{TTL: h.TTL, Answer: "content", MS: ms(h.RTT)}
		if h.Reason != 0 {
			out.Node, out.Answer = fmt.Sprintf("%08x", h.Node), h.Reason.String()
		}
		_ = s.say(out, fmt.Sprintf("%d  %-8s  %-10s  %.3f ms", out.TTL+1, or(out.Node, "-"), out.Answer, out.MS))
	})
	if err == nil && hops == 0 {
		return fmt.Errorf("%w in %s", errNothing, s.timeout)
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
		return json.NewEncoder(t.out).Encode(d)
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
