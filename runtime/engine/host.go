package engine

import (
	"bytes"
	"context"
	"math"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// What a host function takes of the guest's fuel beside its import's charge, so that a flood of calls is stopped like any other
// runaway: about five units a nanosecond, and more with every byte that is copied.
const (
	callFuel = 1000
	byteFuel = 5
)

// charge takes fuel for what a host function is about to do, and stops the guest if there is none left. It is also where a guest that
// the host has lost patience with is stopped; see [Instance.Expire].
func (i *Instance) charge(size uint32) { i.take(callFuel + byteFuel*int64(size)) }

// contractCall is a host function of the contract: the types of its parameters (i: i32, I: i64), whether it gives an i32, and what
// it does with them.
type contractCall struct {
	params string
	result bool
	run    func(i *Instance, mem api.Memory, p []uint64) uint32
}

var contractCalls = map[string]contractCall{
	abi.ImportLog:      {"iii", false, logLine},
	abi.ImportCount:    {"iiI", false, count},
	abi.ImportGauge:    {"iiI", false, gauge},
	abi.ImportStateGet: {"iiii", true, stateGet},
	abi.ImportStateSet: {"iiii", true, stateSet},
}

// contractFunction makes a host function of the contract. checkImports has seen that it exists and is granted.
func contractFunction(name string) (fn api.GoModuleFunc, params, results []api.ValueType) {
	call, ok := contractCalls[name]
	if !ok {
		return features, nil, []api.ValueType{api.ValueTypeI64}
	}
	if call.result {
		results = []api.ValueType{api.ValueTypeI32}
	}
	return func(ctx context.Context, m api.Module, stack []uint64) {
		i := instanceOf(ctx, m)
		v := call.run(i, m.Memory(), stack)
		if call.result {
			stack[0] = uint64(v)
		}
	}, valueTypes(call.params), results
}

// valueTypes reads i as i32 and I as i64.
func valueTypes(s string) (list []api.ValueType) {
	for _, t := range s {
		list = append(list, map[rune]api.ValueType{'i': api.ValueTypeI32, 'I': api.ValueTypeI64}[t])
	}
	return list
}

// logLine is log(level, offset, size). A text outside the memory is a mistake of the guest and is dropped.
func logLine(i *Instance, mem api.Memory, p []uint64) uint32 {
	size := uint32(p[2])
	i.charge(min(size, maxLine))
	if b, ok := mem.Read(uint32(p[1]), min(size, maxLine)); ok {
		if size > maxLine {
			i.mod.account.Load().Hit(LimitLogBytes)
		}
		i.log(min(int(uint32(p[0])), abi.LogError), b)
	}
	return 0
}

// count is count(name, size, n). What an instance counts before it is configured is dropped: how many instances there are, and when
// the host makes them, is not the plugin's matter.
func count(i *Instance, mem api.Memory, p []uint64) uint32 {
	i.charge(0)
	name, _ := mem.Read(uint32(p[0]), min(uint32(p[1]), abi.MaxMetricName+1)) // what is not there has no name
	if i.begun {
		i.mod.account.Load().Count(name, int64(p[2]))
	}
	return 0
}

// gauge is gauge(name, size, bits of a float64). It is dropped where count's is.
func gauge(i *Instance, mem api.Memory, p []uint64) uint32 {
	i.charge(0)
	name, _ := mem.Read(uint32(p[0]), min(uint32(p[1]), abi.MaxMetricName+1))
	if i.begun {
		i.mod.account.Load().Gauge(name, math.Float64frombits(p[2]))
	}
	return 0
}

// stateGet is state_get(key, size, to, room).
func stateGet(i *Instance, mem api.Memory, p []uint64) uint32 {
	i.charge(min(uint32(p[3]), abi.MaxStateValue))
	key, ok1 := mem.Read(uint32(p[0]), min(uint32(p[1]), abi.MaxStateKey+1))
	to, ok2 := mem.Read(uint32(p[2]), uint32(p[3]))
	if !ok1 || !ok2 {
		return abi.StateNone
	}
	size, ok := i.mod.account.Load().get(i.mod.Manifest.State, key, to)
	if !ok {
		return abi.StateNone
	}
	return uint32(size)
}

// stateSet is state_set(key, size, value, size).
func stateSet(i *Instance, mem api.Memory, p []uint64) uint32 {
	i.charge(min(uint32(p[3]), abi.MaxStateValue))
	key, ok1 := mem.Read(uint32(p[0]), min(uint32(p[1]), abi.MaxStateKey+1))
	value, ok2 := mem.Read(uint32(p[2]), min(uint32(p[3]), abi.MaxStateValue+1))
	if !ok1 || !ok2 || !i.mod.account.Load().set(i.mod.Manifest.State, key, value) {
		return 1
	}
	return 0
}

// log hands a line to the host's log if the quota allows.
func (i *Instance) log(level int, text []byte) {
	m := i.mod
	if m.opt.Log == nil || !m.account.Load().mayLog(len(text)) {
		return
	}
	m.opt.Log(level, clean(text))
}

const (
	maxLine = 1024 // bytes of a log line
	maxSaid = 4096 // bytes kept of what a guest printed
)

// printed takes what a guest wrote to standard output or error. The beginning of a panic tells most, so what was there
// before it makes room in whole.
func (i *Instance) printed(b []byte) {
	b = b[:min(len(b), maxSaid)]
	if len(i.said)+len(b) > maxSaid {
		i.said = i.said[:0]
	}
	i.said = append(i.said, b...)
	if !slices.Contains(i.mod.opt.Grants, CapLog) {
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
