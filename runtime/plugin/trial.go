package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/script"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// Cost is what a call took.
type Cost struct {
	Fuel   int64         `json:"fuel"` // units of package meter, about an instruction each
	Time   time.Duration `json:"ns"`
	Memory uint64        `json:"memory"` // bytes of the instance after it
}

// Trial is what `zmesh plugin test` finds out about a module, in the real engine and without a node.
type Trial struct {
	Kind    Kind        `json:"kind"`
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Digest  string      `json:"digest"`
	Passed  int         `json:"passed"`
	Failed  int         `json:"failed"`
	Start   Cost        `json:"start"` // of an instance, until it has its configuration
	Cases   []TrialCase `json:"cases"`

	// Events is the script with what came in place of what was expected; empty for a decoder.
	Events  []byte     `json:"-"`
	answers [][]string // of the first run
}

// TrialCase is one vector, or one event of a script.
type TrialCase struct {
	Name string `json:"name"` // a vector's id; an event's file, line and text
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"` // what differs, in lines
	Cost
}

// TrialOptions say what a module is tried with. The zero value is what its manifest brings.
type TrialOptions struct {
	Events, Vectors []byte         // in place of the manifest's
	Name            string         // of the file that the events are from, for messages; empty: "events"
	Config          map[string]any // of a decoder; a script says itself what its plugin is configured with
	Log             func(level int, text string)
}

// ErrNoTests says that there is nothing to try a module with.
var ErrNoTests = errors.New("there is nothing to test it with")

// trialRuns is how often everything is run: once to warm up, and more often so that an answer by chance is seen. The least time of
// them counts.
const trialRuns = 3

// Try runs a module's vectors or scripted events in the engine, metered, with all that it asks for granted. An error means that it could not
// begin; what differs from what was expected stands in the cases.
func Try(ctx context.Context, src Source, opt TrialOptions) (*Trial, error) {
	info, code, err := inspect(src)
	if err != nil {
		return nil, err
	}
	kind := Kind(info.Manifest.Kind)
	if _, err := tradeOf(kind); err != nil {
		return nil, err
	}
	o := engineOptions(kind, info.Manifest.Capabilities)
	o.Log = opt.Log
	if err := info.Check(o); err != nil {
		return nil, err
	}
	v := &version{source: src}
	if err := opt.read(v, info.Manifest); err != nil {
		return nil, err
	}
	if v.config, err = encodeConfig(info.Manifest, opt.Config); err != nil {
		return nil, err
	}
	if v.module, err = engine.Load(ctx, code, o); err != nil {
		return nil, err
	}
	defer v.module.Close()
	t := &Trial{Kind: kind, Name: info.Manifest.Name, Version: info.Manifest.Version, Digest: info.Digest}
	for range trialRuns {
		if v.events != nil {
			err = t.events(ctx, v)
		} else {
			err = t.vectors(ctx, v)
		}
		if err != nil {
			return nil, err
		}
	}
	for i := range t.Cases {
		if t.Cases[i].OK {
			t.Passed++
		} else {
			t.Failed++
		}
	}
	return t, nil
}

// read finds what the module is tried with.
func (o *TrialOptions) read(v *version, m *engine.Manifest) error {
	decoder := Kind(m.Kind) == KindDecoder
	switch {
	case decoder && o.Events != nil:
		return fmt.Errorf("%s is a decoder: it takes vectors, not events", m.Name)
	case !decoder && o.Vectors != nil:
		return fmt.Errorf("%s is a %s: it takes events, not vectors", m.Name, m.Kind)
	}
	own := *m
	if o.Events != nil {
		own.Events = string(o.Events)
	}
	if o.Vectors != nil {
		own.Vectors = json.RawMessage(o.Vectors)
	}
	var err error
	if v.vectors, err = readVectors(&own); err != nil {
		return err
	}
	if v.events, err = readEvents(cmp.Or(o.Name, "events"), &own); err != nil {
		return err
	}
	if v.events == nil && len(v.vectors.Vectors) == 0 {
		return fmt.Errorf("%s: %w", m.Name, ErrNoTests)
	}
	return nil
}

// note adds what a case came to in one more run.
func (t *Trial) note(at int, c TrialCase) {
	if at == len(t.Cases) {
		t.Cases = append(t.Cases, c)
		return
	}
	have := &t.Cases[at]
	if have.OK && !c.OK {
		have.OK, have.Why = false, c.Why
	}
	have.Time = min(have.Time, c.Time)
}

func (t *Trial) started(c Cost) {
	if t.Start == (Cost{}) || c.Time < t.Start.Time {
		t.Start = c
	}
}

// vectors runs a decoder's vectors through one instance, or through another after a trap.
func (t *Trial) vectors(ctx context.Context, v *version) error {
	var i *engine.Instance
	defer func() {
		if i != nil {
			i.Close()
		}
	}()
	for k := range v.vectors.Vectors {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if i == nil || i.Dead() {
			begin := time.Now()
			var err error
			if i, err = v.module.Instantiate(ctx, v.config); err != nil {
				return err
			}
			t.started(Cost{i.Spent(), time.Since(begin), i.Memory()})
			if err := i.CheckRange(); err != nil {
				return err
			}
			if v.schema, err = describe(i); err != nil {
				return fmt.Errorf("it fails to describe itself: %w", err)
			}
		}
		t.note(k, v.timed(i, &v.vectors.Vectors[k]))
	}
	return nil
}

// timed runs one vector.
func (v *version) timed(i *engine.Instance, vec *vectors.Vector) TrialCase {
	c := TrialCase{Name: vec.ID, OK: true}
	begin := time.Now()
	err := v.try(i, vec)
	c.Cost = Cost{i.Spent(), time.Since(begin), i.Memory()}
	if err != nil {
		c.OK, c.Why = false, err.Error()
	}
	return c
}

// events plays a script.
func (t *Trial) events(ctx context.Context, v *version) error {
	s := stage{ctx: ctx, version: v}
	defer s.close()
	var results []script.Result
	for r, err := range v.events.Play(s.open) {
		if err == nil && s.instance != nil {
			err = s.instance.CheckRange()
		}
		if err != nil {
			return err
		}
		c := TrialCase{Name: fmt.Sprintf("%s:%d: %s", v.events.Name, r.Line, r.Event), OK: r.OK(), Cost: s.take()}
		if !c.OK {
			c.Why = r.Diff()
		}
		at := len(results)
		t.note(at, c)
		if t.Events != nil && !slices.Equal(t.answers[at], r.Got) { // worse than not being what was expected
			t.Cases[at].OK = false
			t.Cases[at].Why = fmt.Sprintf("  the same events do not always have the same answer: %q, and then %q\n", t.answers[at], r.Got)
		}
		t.started(s.start)
		results = append(results, r)
	}
	if t.Events == nil {
		t.Events = v.events.Text(results)
		for i := range results {
			t.answers = append(t.answers, results[i].Got)
		}
	}
	return nil
}
