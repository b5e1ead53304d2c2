package plugin

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/script"
)

// ownTime bounds how long the own events of a version may take: they come from whoever wrote the plugin.
const ownTime = 10 * time.Second

// validated makes an instance of a version that has passed what it brings to test itself with. That runs with the defaults of its settings:
// what an operator has set does not decide whether a vector holds.
func (v *version) validated(ctx context.Context, trade trade) (*engine.Instance, error) {
	config, err := encodeConfig(v.module.Manifest, nil)
	if err != nil {
		config = v.config // a setting must be given: with what the operator gave
	}
	i, err := v.module.Instantiate(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := trade.validate(v, i); err != nil {
		i.Close()
		return nil, err
	}
	if err := v.tryEvents(ctx); err != nil {
		i.Close()
		return nil, err
	}
	if bytes.Equal(config, v.config) {
		return i, nil
	}
	i.Close()
	return v.module.Instantiate(ctx, v.config)
}

// tryEvents runs a version's own events in instances of their own.
func (v *version) tryEvents(ctx context.Context) error {
	if v.events == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, ownTime, fmt.Errorf("its own events take longer than %s", ownTime))
	defer cancel()
	stage := stage{ctx: ctx, version: v}
	defer stage.close()
	for r, err := range v.events.Play(stage.open) {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !r.OK():
			return fmt.Errorf("it fails its own event at line %d (%s): it does %q, and the event wants %q%s",
				r.Line, r.Event, strings.Join(r.Got, "; "), strings.Join(r.Want, "; "), because(r.Err))
		}
	}
	return nil
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// stage is where scripted events are played to the instances of a version, one after the other, and where is counted what that costs.
type stage struct {
	ctx      context.Context
	version  *version
	instance *engine.Instance // the last that was opened
	start    Cost             // of it
	spent    Cost             // since the last take
}

// open makes an instance with the settings of a script, and closes the one before.
func (s *stage) open(settings []script.Setting) (script.Machine, error) {
	s.close()
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx)
	}
	config, err := encodeConfig(s.version.module.Manifest, configOf(s.version.module.Manifest, settings))
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	begin := time.Now()
	i, err := s.version.module.Instantiate(s.ctx, config)
	if err != nil {
		return nil, err
	}
	s.instance = i
	s.start = Cost{Fuel: i.Spent(), Time: time.Since(begin), Memory: i.Memory()}
	return machine{i, s}, nil
}

func (s *stage) close() {
	if s.instance != nil {
		s.instance.Close()
		s.instance = nil
	}
}

// take gives what was spent since it was asked last.
func (s *stage) take() Cost {
	c := s.spent
	s.spent = Cost{}
	return c
}

// machine is an instance that counts on a stage what its calls take.
type machine struct {
	*engine.Instance
	stage *stage
}

// Call is with the fuel that a node would give: a driver's hangs on the bytes of its one item too.
func (m machine) Call(n int) ([]byte, error) {
	size := 0
	if in := m.Input(); m.stage.version.module.Manifest.Driver != nil {
		size = int(binary.LittleEndian.Uint32(in[abi.ItemSize:])) - int(binary.LittleEndian.Uint16(in[abi.ItemFixed:]))
	}
	begin := time.Now()
	out, err := m.CallWith(n, size)
	m.stage.spent.Time += time.Since(begin)
	m.stage.spent.Fuel += m.Spent()
	m.stage.spent.Memory = m.Memory()
	return out, err
}

// configOf turns settings of a script into a configuration as a node's file would have it: by the types of the manifest.
func configOf(m *engine.Manifest, settings []script.Setting) map[string]any {
	config := map[string]any{}
	for i := range settings {
		s := &settings[i]
		switch v := s.Value(); {
		case m.Config[s.Key].Type == "string" || m.Config[s.Key].Type == "duration" || v.Type == abi.ListText:
			config[s.Key] = s.Text
		case v.Type == abi.ListInt:
			config[s.Key] = v.Int
		case v.Type == abi.ListFloat:
			config[s.Key] = v.Num
		default:
			config[s.Key] = v.Bool
		}
	}
	return config
}

// firstMistake shortens a list of mistakes to one line.
func firstMistake(err error) error {
	if err == nil {
		return nil
	}
	first, _, more := strings.Cut(err.Error(), "\n")
	if !more {
		return err
	}
	return errors.New(first + " (and more)")
}
