package plugin

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// pool is the instances of one version of a decoder. They are made when they are first needed, at most size of them.
type pool struct {
	v     *version
	free  chan *engine.Instance
	slots chan struct{} // one for each instance that there is
	users sync.WaitGroup
}

func newPool(v *version, size int) *pool {
	return &pool{v: v, free: make(chan *engine.Instance, size), slots: make(chan struct{}, size)}
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

// close waits for who is at work and ends all instances and the module. Nobody new may come.
func (p *pool) close() error {
	p.users.Wait()
	for {
		select {
		case i := <-p.free:
			i.Close()
			<-p.slots
		default:
			return p.v.module.Close()
		}
	}
}

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
func validate(v *version, i *engine.Instance) error {
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
