package plugin

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// decoderFuel is 50 times a strategy's: a decoder runs on a pool of its own, and its payloads are longer than an event.
const decoderFuel = 50_000_000

// decoderTrade is the kind decoder.
type decoderTrade struct{}

func (decoderTrade) options(o *engine.Options) {
	o.MinInput, o.MinOutput = abi.DecoderInput, abi.DecoderOutput
	o.ItemFuel = decoderFuel
}

func (decoderTrade) crew(_ context.Context, p *loaded, v *version, first *engine.Instance) (crew, error) {
	c := &pool{plugin: p, v: v, free: make(chan *engine.Instance, p.manager.opt.Pool), slots: make(chan struct{}, p.manager.opt.Pool)}
	c.slots <- struct{}{}
	c.free <- first
	return c, nil
}

// pool is the instances of one version of a decoder. They are made when they are first needed, at most size of them.
type pool struct {
	plugin *loaded
	v      *version
	free   chan *engine.Instance
	slots  chan struct{} // one for each instance that there is
	users  sync.WaitGroup
}

// Decode runs a decoder by name. It blocks while all instances of its pool are at work. An error means that there is no answer
// at all, a trap among others (*engine.Trap): the consumer has the raw bytes.
func (m *Manager) Decode(ctx context.Context, name string, req Request) (Decoded, error) {
	p, err := m.find(name)
	if err != nil {
		return Decoded{}, fmt.Errorf("decode: %w", err)
	}
	pool, err := p.enterPool()
	if err != nil {
		return Decoded{}, fmt.Errorf("decode with %q: %w", name, err)
	}
	defer pool.users.Done()
	p.calls.Add(1)
	d, err := pool.decode(ctx, &req)
	if err != nil {
		var trap *engine.Trap
		if errors.As(err, &trap) {
			p.traps.Add(1)
			p.report(accident{version: pool.v, trap: err})
		}
		return Decoded{}, fmt.Errorf("decode with %q: %w", name, err)
	}
	return d, nil
}

// enterPool keeps the pool at work from being closed until users.Done.
func (p *loaded) enterPool() (*pool, error) {
	p.gate.RLock()
	defer p.gate.RUnlock()
	l := p.live.Load()
	if l == nil {
		return nil, fmt.Errorf("it is %s: %w", l.what(), ErrKind)
	}
	pool, ok := l.crew.(*pool)
	if !ok {
		return nil, fmt.Errorf("it is %s: %w", l.what(), ErrKind)
	}
	pool.users.Add(1)
	return pool, nil
}

// take gets an instance, makes one, or waits for one.
func (p *pool) take(ctx context.Context) (*engine.Instance, error) {
	select {
	case i := <-p.free:
		return i, nil
	default:
	}
	select {
	case i := <-p.free:
		return i, nil
	case p.slots <- struct{}{}:
		i, err := p.v.module.Instantiate(ctx, p.v.config)
		if err != nil {
			<-p.slots
		}
		return i, err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free decoder: %w", context.Cause(ctx))
	}
}

// give puts an instance back, or ends it if it has trapped.
func (p *pool) give(i *engine.Instance) {
	if i.Dead() {
		i.Close()
		<-p.slots
		return
	}
	p.free <- i
}

// begin has nothing to do: callers come by what of the plugin is live.
func (p *pool) begin() {}

func (p *pool) stop() {}

func (p *pool) close() {
	p.users.Wait()
	for {
		select {
		case i := <-p.free:
			i.Close()
			<-p.slots
		default:
			return
		}
	}
}

// mend has nothing to do: whoever finds no free instance makes one.
func (p *pool) mend(context.Context) (int, error) { return 0, nil }

func (p *pool) tell(s *Status) { s.Instances += len(p.slots) }

// decode runs one payload through an instance. An error is a *engine.Trap, or says that the decoder has no answer.
func (p *pool) decode(ctx context.Context, req *Request) (Decoded, error) {
	i, err := p.take(ctx)
	if err != nil {
		return Decoded{}, err
	}
	defer p.give(i)
	return decode(i, req)
}

// ErrNoAnswer says that a decoder could not say all that it wanted: half of an answer is none.
var ErrNoAnswer = errors.New("the decoder has no answer: too many or too long records")

func decode(i *engine.Instance, req *Request) (Decoded, error) {
	if err := writeRequest(i.Input(), req); err != nil {
		return Decoded{}, err
	}
	out, err := i.Call(1)
	if err != nil {
		return Decoded{}, err
	}
	item, _, ok := engine.NextItem(out)
	if !ok {
		return Decoded{}, i.Fail(0, 1, errOutput)
	}
	status := binary.LittleEndian.Uint16(item[abi.OutStatus:])
	if status == abi.StatusFailed {
		return Decoded{}, ErrNoAnswer
	}
	n := int(binary.LittleEndian.Uint16(item[abi.OutCount:]))
	list, err := abi.ReadRecords(item[abi.OutHead:], n)
	if status != abi.StatusOK || err != nil {
		return Decoded{}, i.Fail(0, 1, errOutput)
	}
	return accept(list, int(binary.LittleEndian.Uint32(item[abi.OutConsumed:])), len(req.Payload)), nil
}

// errOutput says that a guest wrote what cannot be: sizes, counts or statuses.
var errOutput = errors.New("its output is damaged: a size, a count or a status cannot be")

// writeRequest writes the one item of a decoder's batch.
func writeRequest(in []byte, req *Request) error {
	variables, err := encodeVariables(req.Variables)
	if err != nil {
		return err
	}
	received := int64(0)
	if !req.Received.IsZero() {
		received = req.Received.UnixMilli()
	}
	item, err := abi.AppendPayload(nil, req.Port, received, variables, req.Payload)
	if err != nil {
		return err
	}
	if len(item) > len(in) {
		return fmt.Errorf("the payload and its variables take %d bytes and the decoder has room for %d", len(item), len(in))
	}
	copy(in, item)
	return nil
}

// validate runs a decoder's own vectors through an instance: a decoder that fails them never runs.
func (decoderTrade) validate(v *version, i *engine.Instance) error {
	for k := range v.vectors.Vectors {
		vec := &v.vectors.Vectors[k]
		payload, err := vec.Bytes()
		if err != nil {
			return err
		}
		req := Request{Payload: payload, Port: vec.Port, Received: unixMilli(vec.Received), Variables: vec.Variables}
		d, err := decode(i, &req)
		if err == nil {
			err = v.vectors.Check(vec, d.result())
		}
		if err != nil {
			return fmt.Errorf("it fails its own vector: %w", err)
		}
	}
	return nil
}

func unixMilli(ms int64) (t time.Time) {
	if ms != 0 {
		t = time.UnixMilli(ms)
	}
	return t
}
