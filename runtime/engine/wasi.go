package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// wasiModule is what runtimes of languages import from. It is closed: no files, no arguments, no sockets,
// no waiting. What of it is there is what a language's runtime needs to start and to say how it died.
const wasiModule = "wasi_snapshot_preview1"

// Error numbers of WASI preview 1.
const (
	wasiOK      = 0
	wasiBadFile = 8
	wasiFault   = 21
	wasiNoSys   = 52
)

// wasiCall is one function: the types of its parameters (i: i32, I: i64) and what it does. p are the parameters; the result
// is an error number, which all but proc_exit give.
type wasiCall struct {
	params string
	run    func(i *Instance, mem api.Memory, p []uint64) uint32
}

func noFile(*Instance, api.Memory, []uint64) uint32   { return wasiBadFile }
func noSystem(*Instance, api.Memory, []uint64) uint32 { return wasiNoSys }
func nothing(*Instance, api.Memory, []uint64) uint32  { return wasiOK }

// wasi is every function that links. Go's runtime asks for those of the first group, its package os for the rest, where
// every descriptor but 1 and 2 is not open and every path is not there.
var wasi = map[string]wasiCall{
	"args_get": {"ii", nothing}, "args_sizes_get": {"ii", twoZeros},
	"environ_get": {"ii", environGet}, "environ_sizes_get": {"ii", environSizes},
	"clock_time_get": {"iIi", clockTime}, "clock_res_get": {"ii", clockResolution},
	"random_get": {"ii", randomGet}, "sched_yield": {"", nothing},
	"poll_oneoff": {"iiii", pollOneoff}, "fd_write": {"iiii", fdWrite},
	"proc_exit": {"i", procExit},

	"fd_advise": {"iIIi", noFile}, "fd_allocate": {"iII", noFile}, "fd_close": {"i", noFile}, "fd_datasync": {"i", noFile},
	"fd_fdstat_get": {"ii", noFile}, "fd_fdstat_set_flags": {"ii", noFile}, "fd_fdstat_set_rights": {"iII", noFile},
	"fd_filestat_get": {"ii", noFile}, "fd_filestat_set_size": {"iI", noFile}, "fd_filestat_set_times": {"iIIi", noFile},
	"fd_pread": {"iiiIi", noFile}, "fd_prestat_get": {"ii", noFile}, "fd_prestat_dir_name": {"iii", noFile},
	"fd_pwrite": {"iiiIi", noFile}, "fd_read": {"iiii", noFile}, "fd_readdir": {"iiiIi", noFile}, "fd_renumber": {"ii", noFile},
	"fd_seek": {"iIii", noFile}, "fd_sync": {"i", noFile}, "fd_tell": {"ii", noFile},
	"path_create_directory": {"iii", noSystem}, "path_filestat_get": {"iiiii", noSystem},
	"path_filestat_set_times": {"iiiiIIi", noSystem}, "path_link": {"iiiiiii", noSystem}, "path_open": {"iiiiiIIii", noSystem},
	"path_readlink": {"iiiiii", noSystem}, "path_remove_directory": {"iii", noSystem}, "path_rename": {"iiiiii", noSystem},
	"path_symlink": {"iiiii", noSystem}, "path_unlink_file": {"iii", noSystem},
}

func checkWASI(i Import) error {
	if _, ok := wasi[i.Name]; !ok {
		return fmt.Errorf("the module imports %s, which this host does not offer: its WASI is closed (no sockets, no signals)", i)
	}
	return nil
}

// wasiFunction makes the host function of a name.
func wasiFunction(name string) (fn api.GoModuleFunc, params, results []api.ValueType) {
	call := wasi[name]
	if name != "proc_exit" {
		results = []api.ValueType{api.ValueTypeI32}
	}
	return func(ctx context.Context, m api.Module, stack []uint64) {
		i := instanceOf(ctx, m)
		i.charge(0)
		code := call.run(i, m.Memory(), stack)
		if results != nil {
			stack[0] = uint64(code)
		}
	}, valueTypes(call.params), results
}

func twoZeros(_ *Instance, mem api.Memory, p []uint64) uint32 {
	return fault(mem.WriteUint32Le(uint32(p[0]), 0) && mem.WriteUint32Le(uint32(p[1]), 0))
}

// environment is empty but for a module with an idle hook: its Go runtime is told to leave the garbage to that hook, unless the memory
// runs full. A collection in the middle of a decision costs more than ten million units; runtimes of other languages do not look.
func (m *Module) environment() []string {
	if !m.Binary.exports(abi.ExportIdle, kindFunction) {
		return nil
	}
	return []string{"GOGC=off", "GOMEMLIMIT=" + strconv.FormatUint(m.opt.memory(m.Manifest)/4*3, 10)}
}

func environSizes(i *Instance, mem api.Memory, p []uint64) uint32 {
	list, size := i.mod.environment(), 0
	for _, v := range list {
		size += len(v) + 1
	}
	return fault(mem.WriteUint32Le(uint32(p[0]), uint32(len(list))) && mem.WriteUint32Le(uint32(p[1]), uint32(size)))
}

func environGet(i *Instance, mem api.Memory, p []uint64) uint32 {
	pointer, at := uint32(p[0]), uint32(p[1])
	for _, v := range i.mod.environment() {
		if !mem.WriteUint32Le(pointer, at) || !mem.Write(at, append([]byte(v), 0)) {
			return wasiFault
		}
		pointer, at = pointer+4, at+uint32(len(v))+1
	}
	return wasiOK
}

func fault(ok bool) uint32 {
	if ok {
		return wasiOK
	}
	return wasiFault
}

// fakeTick is how far a clock that is not granted moves with each reading: a language's runtime must see time pass.
const fakeTick = time.Microsecond

// clockTime gives real time if "clock" is granted. The clock without it starts at one second, because Go's runtime takes a
// zero for a broken clock.
func clockTime(i *Instance, mem api.Memory, p []uint64) uint32 {
	i.ticks += fakeTick
	now := uint64(time.Second + i.ticks)
	if i.mod.clock {
		now = uint64(time.Since(i.mod.started)) + 1
		if uint32(p[0]) == 0 { // realtime
			now = uint64(time.Now().UnixNano())
		}
	}
	return fault(mem.WriteUint64Le(uint32(p[2]), now))
}

func clockResolution(_ *Instance, mem api.Memory, p []uint64) uint32 {
	return fault(mem.WriteUint64Le(uint32(p[1]), uint64(fakeTick)))
}

// randomGet gives real randomness if "random" is granted, else the same bytes for every instance (SplitMix64 from zero).
func randomGet(i *Instance, mem api.Memory, p []uint64) uint32 {
	b, ok := mem.Read(uint32(p[0]), uint32(p[1]))
	if !ok {
		return wasiFault
	}
	i.charge(uint32(len(b)))
	if i.mod.random {
		rand.Read(b) // never fails
		return wasiOK
	}
	for len(b) > 0 {
		i.seed += 0x9E3779B97F4A7C15
		z := i.seed
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		b = b[copy(b, binary.LittleEndian.AppendUint64(nil, z^z>>31)):]
	}
	return wasiOK
}

// pollOneoff never waits: every subscription is answered at once, and the clock that is not granted moves by a millisecond.
// Layout of subscription (48 bytes) and event (32 bytes) as in WASI preview 1.
func pollOneoff(i *Instance, mem api.Memory, p []uint64) uint32 {
	const subscription, event, userdata, kind = 48, 32, 8, 8
	in, out, n := uint32(p[0]), uint32(p[1]), uint32(p[2])
	if n == 0 || n > 64 {
		return wasiFault
	}
	from, ok1 := mem.Read(in, n*subscription)
	to, ok2 := mem.Read(out, n*event)
	if !ok1 || !ok2 {
		return wasiFault
	}
	i.ticks += time.Millisecond
	clear(to)
	for k := range n {
		copy(to[k*event:k*event+userdata], from[k*subscription:])
		to[k*event+userdata+2] = from[k*subscription+kind]
	}
	return fault(mem.WriteUint32Le(uint32(p[3]), n))
}

// fdWrite takes what a guest prints: the last of it explains a trap, and all of it is log where that is granted.
func fdWrite(i *Instance, mem api.Memory, p []uint64) uint32 {
	if fd := uint32(p[0]); fd != 1 && fd != 2 { // of an i32 the upper half is whatever the compiled code left there
		return wasiBadFile
	}
	vectors, total := uint32(p[1]), uint32(0)
	for k := range min(uint32(p[2]), 64) {
		off, ok1 := mem.ReadUint32Le(vectors + 8*k)
		size, ok2 := mem.ReadUint32Le(vectors + 8*k + 4)
		b, ok3 := mem.Read(off, size)
		if !ok1 || !ok2 || !ok3 {
			return wasiFault
		}
		i.charge(min(size, maxSaid))
		i.printed(b)
		total += size
	}
	return fault(mem.WriteUint32Le(uint32(p[3]), total))
}

// exit is what a guest's proc_exit becomes: it unwinds the call and so kills the instance.
type exit uint32

func (e exit) Error() string { return fmt.Sprintf("the plugin ended itself with code %d", uint32(e)) }

func procExit(_ *Instance, _ api.Memory, p []uint64) uint32 { panic(exit(uint32(p[0]))) }
