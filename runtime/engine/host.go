package engine

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// contractFunction makes a host function of the contract. checkImports has seen that it exists and is granted.
func contractFunction(name string) (fn api.GoModuleFunc, params, results []api.ValueType) {
	const i32, i64 = api.ValueTypeI32, api.ValueTypeI64
	if name == abi.ImportLog {
		return logLine, []api.ValueType{i32, i32, i32}, nil
	}
	return func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = abi.Features }, nil, []api.ValueType{i64}
}

// logLine is log(level, offset, size). A text outside the memory is a mistake of the guest and is dropped.
func logLine(ctx context.Context, m api.Module, stack []uint64) {
	i := instanceOf(ctx)
	if b, ok := m.Memory().Read(uint32(stack[1]), min(uint32(stack[2]), maxLine)); ok {
		i.log(min(int(uint32(stack[0])), abi.LogError), b)
	}
}

// log hands a line to the host's log if the quota allows.
func (i *Instance) log(level int, text []byte) {
	m := i.mod
	if m.opt.Log == nil || !m.quota.take(time.Since(m.started)) {
		m.quota.dropped.Add(1)
		return
	}
	m.opt.Log(level, clean(text))
}

const (
	maxLine  = 1024 // bytes of a log line
	maxSaid  = 4096 // bytes kept of what a guest printed
	logRate  = 10   // lines a second of all instances of a module
	logBurst = 100
)

// printed takes what a guest wrote to standard output or error. The beginning of a panic tells most, so what was there
// before it makes room in whole.
func (i *Instance) printed(b []byte) {
	b = b[:min(len(b), maxSaid)]
	if len(i.said)+len(b) > maxSaid {
		i.said = i.said[:0]
	}
	i.said = append(i.said, b...)
	if !i.mod.mayLog() {
		return
	}
	for i.line = append(i.line, b...); ; {
		end := bytes.IndexByte(i.line, '\n')
		switch {
		case end >= 0:
			i.log(abi.LogInfo, i.line[:end])
			i.line = append(i.line[:0], i.line[end+1:]...)
		case len(i.line) > maxLine:
			i.log(abi.LogInfo, i.line)
			i.line = i.line[:0]
			return
		default:
			return
		}
	}
}

func (m *Module) mayLog() bool {
	for _, g := range m.opt.Grants {
		if g == CapLog {
			return true
		}
	}
	return false
}

// quota lets logBurst lines pass at once and logRate a second for long.
type quota struct {
	mu      sync.Mutex
	left    float64
	last    time.Duration
	dropped atomic.Uint64
}

func newQuota() *quota { return &quota{left: logBurst} }

func (q *quota) take(now time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left = min(q.left+(now-q.last).Seconds()*logRate, logBurst)
	q.last = now
	if q.left < 1 {
		return false
	}
	q.left--
	return true
}
