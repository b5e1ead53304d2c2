package demo

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"

	"github.com/zmesh/zmesh/runtime/plugin"
	"github.com/zmesh/zmesh/sdk/node"
)

// reader is a consumer that counts: every number of a sensor once, in order, with the right value.
type reader struct {
	decoders *plugin.Manager
	mu       sync.Mutex
	cond     *sync.Cond
	seen     map[*sensor]uint32 // the last number of each
	failed   error
	show     func(string)
}

func newReader(decoders *plugin.Manager, show func(string)) *reader {
	r := &reader{decoders: decoders, seen: map[*sensor]uint32{}, show: show}
	r.cond = sync.NewCond(&r.mu)
	return r
}

// follow reads a sensor's stream from number 1 until the context ends, or something is wrong.
func (r *reader) follow(ctx context.Context, s *sensor, sub *node.Subscription) {
	for {
		u, err := sub.Next(ctx)
		if ctx.Err() != nil || errors.Is(err, node.ErrClosed) {
			return
		}
		if err == nil {
			err = r.take(ctx, s, &u)
		}
		r.mu.Lock()
		if err != nil && r.failed == nil {
			r.failed = fmt.Errorf("%s: %w", s.uri, err)
		}
		r.cond.Broadcast()
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take checks one update.
func (r *reader) take(ctx context.Context, s *sensor, u *node.Update) error {
	r.mu.Lock()
	want := r.seen[s] + 1
	r.mu.Unlock()
	switch {
	case u.Lost:
		return fmt.Errorf("numbers %d to %d are lost", u.From, u.To)
	case u.Seq != want:
		return fmt.Errorf("number %d came, want %d: once each and in order", u.Seq, want)
	}
	if err := r.check(ctx, s, &u.Content); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[s] = u.Seq
	return nil
}

// check decrypts and decodes a content and compares it with what the device's vendor says.
func (r *reader) check(ctx context.Context, s *sensor, c *node.Content) error {
	plain, err := s.stream.Open(c.Payload, c.Seq)
	if err != nil {
		return err
	}
	want := s.reading(c.Seq)
	if hex.EncodeToString(plain) != want.payload {
		return fmt.Errorf("number %d has the payload %x, want %s", c.Seq, plain, want.payload)
	}
	if hex.EncodeToString(c.Payload) == want.payload {
		return fmt.Errorf("number %d travelled in clear", c.Seq)
	}
	got, err := r.decoders.Decode(ctx, s.decoder, plugin.Request{Payload: plain, Received: c.Received})
	if err != nil {
		return err
	}
	if err := compare(got.Records, want.want); err != nil {
		return fmt.Errorf("number %d: %w", c.Seq, err)
	}
	if r.show != nil {
		r.show(fmt.Sprintf("%-50s #%-3d %s", s.uri, c.Seq, describe(got.Records)))
	}
	return nil
}

// key is a record's name, with its channel where it has one.
func key(rec *plugin.Record) string {
	if rec.Channel == plugin.NoChannel {
		return rec.Name
	}
	return fmt.Sprintf("%s_%d", rec.Name, rec.Channel)
}

// compare wants every value, with a relative tolerance of 1e-9.
func compare(records []plugin.Record, want map[string]any) error {
	values := map[string]float64{}
	for i := range records {
		if records[i].Type == plugin.Number {
			values[key(&records[i])] = records[i].Number
		}
	}
	for name, w := range want {
		v, ok := values[name]
		if x := w.(float64); !ok || math.Abs(v-x) > 1e-9*math.Abs(x) {
			return fmt.Errorf("%s is %v (found %t), want %v", name, v, ok, x)
		}
	}
	return nil
}

func describe(records []plugin.Record) string {
	var parts []string
	for i := range records {
		rec := &records[i]
		if rec.Type == plugin.Number {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %g %s", key(rec), rec.Number, rec.Unit)))
		}
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}

// reaches waits until every one of the sensors has come up to a number.
func (r *reader) reaches(ctx context.Context, sensors []*sensor, seq uint32) error {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock() // or it could fall between a look at the context and the wait
		defer r.mu.Unlock()
		r.cond.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.failed != nil {
			return r.failed
		}
		behind := ""
		for _, s := range sensors {
			if r.seen[s] < seq {
				behind = fmt.Sprintf("%s has come to number %d of %d", s.uri, r.seen[s], seq)
			}
		}
		if behind == "" {
			return nil
		}
		if ctx.Err() != nil {
			return errors.New(behind)
		}
		r.cond.Wait()
	}
}
