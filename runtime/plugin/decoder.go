package plugin

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// decoderFuel is 50 times a strategy's: a decoder runs on a pool of its own, and its payloads are longer than an event. The senml that ships takes
// 25 million for 370 bytes.
const decoderFuel = 50_000_000

// decoderTrade is the kind decoder.
type decoderTrade struct{}

func (decoderTrade) options(o *engine.Options) {
	o.MinInput, o.MinOutput = abi.DecoderInput, abi.DecoderOutput
	o.ItemFuel, o.MaxOutput = decoderFuel, abi.MaxRecords
}

func (decoderTrade) crew(_ context.Context, p *loaded, v *version, first *engine.Instance) (crew, error) {
	c := &pool{plugin: p, v: v, began: first.Memory(), free: make(chan *engine.Instance, p.manager.opt.Pool), slots: make(chan struct{}, p.manager.opt.Pool)}
	c.slots <- struct{}{}
	c.free <- first
	return c, nil
}

// pool is the instances of one version of a decoder. They are made when they are first needed, at most size of them.
type pool struct {
	plugin *loaded
	v      *version
	began  uint64 // bytes of memory that an instance begins with
	free   chan *engine.Instance
	slots  chan struct{} // one for each instance that there is
	users  sync.WaitGroup
	slow   atomic.Int64 // calls that took too long, until the Manager has heard of them
	rest   atomic.Uint64
}

// Decode runs a decoder by name. It blocks while all instances of its pool are at work. An error means that there is no answer
// at all, a trap among others (*engine.Trap): the consumer has the raw bytes.
func (m *Manager) Decode(ctx context.Context, name string, req Request) (d Decoded, err error) {
	err = m.decoder(ctx, name, req.key, func(v *version, i *engine.Instance) error {
		d, err = decode(v, i, &req)
		return err
	})
	if err != nil {
		return Decoded{}, fmt.Errorf("decode with %q: %w", name, err)
	}
	return d, nil
}

// decoder lets a call work with an instance of a decoder, once one is free. Traps are counted and told.
func (m *Manager) decoder(ctx context.Context, name string, input func() uint64, work func(*version, *engine.Instance) error) error {
	p, err := m.find(name)
	if err != nil {
		return err
	}
	pool, err := p.enterPool()
	if err != nil {
		return err
	}
	defer pool.users.Done()
	p.calls.Add(1)
	if list := pool.v.killers.any(); list != nil {
		if _, ok := list[input()]; ok {
			p.skipped.Add(1)
			return ErrSkipped
		}
	}
	err = pool.work(ctx, work)
	var trap *engine.Trap
	if errors.As(err, &trap) {
		p.traps.Add(1)
		p.report(accident{version: pool.v, trap: err, input: input()})
	}
	return err
}

// ErrSkipped says that an input was not handed to a decoder, because it has just killed an instance of this version.
var ErrSkipped = errors.New("this input has killed an instance of the decoder, and is not tried again for a while")

// work does something with an instance. One that takes too long is counted, and after ten times as long ended, if it can be.
func (p *pool) work(ctx context.Context, do func(*version, *engine.Instance) error) error {
	i, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.give(i)
	limit, start := p.plugin.spec.Limits.callTime(), time.Now()
	timer := time.AfterFunc(patience*limit, i.Expire)
	err = do(p.v, i)
	took := time.Since(start)
	p.plugin.took.add(uint64(took))
	p.plugin.fuel.add(uint64(max(i.Spent(), 0)))
	if !timer.Stop() {
		i.Close() // the next call must not pay for this one
	}
	if took >= limit {
		p.slow.Add(1)
	}
	return err
}

// key is what a payload is known by that has killed an instance: all but its time.
func (r *Request) key() uint64 { return keyOf(fmt.Append(nil, r.Port, r.Variables, r.Payload)) }

// enterPool keeps the pool at work from being closed until users.Done.
func (p *loaded) enterPool() (*pool, error) {
	p.gate.RLock()
	defer p.gate.RUnlock()
	l := p.live.Load()
	if l == nil {
		return nil, fmt.Errorf("it is %s: %w", l.what(), ErrKind)
	}
	pool, ok := l.crew.(*pool)
	if _, resting := l.crew.(nobody); resting && l.kind == KindDecoder {
		return nil, ErrQuarantined
	}
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
	if p.rest.Add(1)%restEvery == 0 && !i.Dead() {
		if err := i.Idle(); err != nil {
			p.plugin.traps.Add(1)
			p.plugin.report(accident{version: p.v, trap: err})
		}
	}
	old := !i.Dead() && p.plugin.outgrown(i, p.began)
	if old {
		p.plugin.recycled.Add(1)
	}
	if old || i.Dead() {
		i.Close()
		<-p.slots
		return
	}
	p.free <- i
}

// restEvery is how many calls of a pool there are for one run of the idle hook, by whoever has made the last of them.
const restEvery = 16

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

// tend has nothing to do: an instance that is given back is looked at.
func (p *pool) tend(context.Context, time.Time) {}

// watch has only to count: a call has a timer of its own.
func (p *pool) watch(bool) (slow int, active bool) { return int(p.slow.Swap(0)), false }

// mend has nothing to do: whoever finds no free instance makes one.
func (p *pool) mend(context.Context) (int, error) { return 0, nil }

func (p *pool) tell(s *Status) { s.Instances += len(p.slots) }

// ErrNoAnswer says that a decoder could not say all that it wanted: half of an answer is none.
var ErrNoAnswer = errors.New("the decoder has no answer: too many or too long records")

func decode(v *version, i *engine.Instance, req *Request) (Decoded, error) {
	if err := writeRequest(i.Input(), req); err != nil {
		return Decoded{}, err
	}
	list, consumed, err := callDecoder(i, abi.TagValue)
	if err != nil {
		return Decoded{}, err
	}
	d := accept(list, consumed, len(req.Payload))
	v.schema.outside(&d)
	return d, nil
}

// callDecoder runs the one item that stands in the input. It gives the records of the answer: of one kind, warnings and errors.
func callDecoder(i *engine.Instance, tag uint8) (list []abi.Record, consumed int, err error) {
	out, err := i.Call(1)
	if err != nil {
		return nil, 0, err
	}
	item, _, ok := engine.NextItem(out)
	if !ok {
		return nil, 0, i.Fail(0, 1, errOutput)
	}
	status := binary.LittleEndian.Uint16(item[abi.OutStatus:])
	if status == abi.StatusFailed {
		return nil, 0, ErrNoAnswer
	}
	n := int(binary.LittleEndian.Uint16(item[abi.OutCount:]))
	if n > i.MaxOutput() {
		return nil, 0, i.Fail(0, 1, engine.ErrOutput)
	}
	list, err = abi.ReadRecords(item[abi.OutHead:], n)
	if status != abi.StatusOK || err != nil || slices.ContainsFunc(list, func(r abi.Record) bool {
		return r.Tag != tag && r.Tag != abi.TagWarning && r.Tag != abi.TagError
	}) {
		return nil, 0, i.Fail(0, 1, errOutput)
	}
	return list, int(binary.LittleEndian.Uint32(item[abi.OutConsumed:])), nil
}

// errOutput says that a guest wrote what cannot be: sizes, counts, tags or statuses.
var errOutput = errors.New("its output is damaged: a size, a count, a tag or a status cannot be")

// writeRequest writes the one item of a decoder's batch.
func writeRequest(in []byte, req *Request) error {
	variables, err := encodeVariables(req.Variables)
	if err != nil {
		return err
	}
	item, err := abi.AppendPayload(nil, req.Port, milli(req.Received), variables, req.Payload)
	if err != nil {
		return err
	}
	return writeItem(in, item, "payload")
}

func writeItem(in, item []byte, what string) error {
	if len(item) > len(in) {
		return fmt.Errorf("the %s and its variables take %d bytes and the decoder has room for %d", what, len(item), len(in))
	}
	copy(in, item)
	return nil
}

// validate asks a decoder for its schema and runs its own vectors through an instance: a decoder that fails them, or whose schema does
// not cover them, never runs.
func (decoderTrade) validate(v *version, i *engine.Instance) (err error) {
	if v.schema, err = describe(i); err != nil {
		return fmt.Errorf("it fails to describe itself: %w", err)
	}
	for k := range v.vectors.Vectors {
		if err := v.try(i, &v.vectors.Vectors[k]); err != nil {
			return fmt.Errorf("it fails its own vector: %w", err)
		}
	}
	return nil
}

// try runs one vector, one way or both.
func (v *version) try(i *engine.Instance, vec *vectors.Vector) error {
	payload, err := vec.Bytes()
	if err != nil {
		return err
	}
	if vec.Encodes() {
		if err := v.tryEncode(i, vec); err != nil || !vec.Decodes() {
			return err
		}
	}
	d, err := decode(v, i, &Request{Payload: payload, Port: vec.Port, Received: unixMilli(vec.Received), Variables: vec.Variables})
	if err != nil {
		return fmt.Errorf("%s: %w", vec.ID, err)
	}
	for k := range d.Records {
		if r := &d.Records[k]; !v.schema.covers(r, abi.FieldDecoded) {
			return fmt.Errorf("%s: it gives %s, which it does not describe", vec.ID, r.what())
		}
	}
	return v.vectors.Check(vec, d.result())
}

func (v *version) tryEncode(i *engine.Instance, vec *vectors.Vector) error {
	wanted, err := vec.Wanted()
	if err != nil {
		return err
	}
	req := EncodeRequest{Port: vec.Port, Now: unixMilli(vec.Received), Variables: vec.Variables}
	for k := range wanted {
		r, why := record(&wanted[k])
		if why != "" {
			return fmt.Errorf("%s: record %s: %s", vec.ID, wanted[k].Name, why)
		}
		req.Records = append(req.Records, r)
	}
	got, err := encode(v, i, &req)
	if err != nil {
		return fmt.Errorf("%s: %w", vec.ID, err)
	}
	return v.vectors.CheckPayload(vec, got.Payload, got.Errors)
}

// milli gives Unix ms; 0 for the zero time.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func unixMilli(ms int64) (t time.Time) {
	if ms != 0 {
		t = time.UnixMilli(ms)
	}
	return t
}
