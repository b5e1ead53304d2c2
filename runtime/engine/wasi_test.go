package engine

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

const i32, i64 = wasmtest.I32, wasmtest.I64

// wasiGuest calls one function of WASI with the arguments, in every zmesh_process; its error number is dropped.
func wasiGuest(name string, params []byte, code ...[]byte) *wasmtest.Guest {
	call := wasmtest.Code(append(code, wasmtest.Call(1))...)
	g := &wasmtest.Guest{Imports: []wasmtest.Import{{Module: wasiModule, Name: name, Params: params, Results: []byte{i32}}}}
	if name == "proc_exit" {
		g.Imports[0].Results = nil
		g.Process = wasmtest.Code(call, wasmtest.Local0)
		return g
	}
	g.Process = wasmtest.Code(wasmtest.Const(wasmtest.OutputAt+4000), call, []byte{0x36, 2, 0}, wasmtest.Local0) // its number is kept there
	return g
}

// ask runs it n times and gives the error number and the 8 bytes that it wrote to the output region.
func ask(t *testing.T, g *wasmtest.Guest, opt Options, n int) (code uint32, wrote []byte) {
	t.Helper()
	i, err := start(t, g, opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := i.Call(1); err != nil {
			t.Fatal(err)
		}
	}
	code, _ = i.mem.ReadUint32Le(wasmtest.OutputAt + 4000)
	b, _ := i.mem.Read(wasmtest.OutputAt, 8)
	return code, bytes.Clone(b)
}

func clockGuest(id int) *wasmtest.Guest {
	return wasiGuest("clock_time_get", []byte{i32, i64, i32}, wasmtest.Const(id), []byte{0x42, 0}, wasmtest.Const(wasmtest.OutputAt))
}

func number(b []byte) (n uint64) {
	for k := range 8 {
		n |= uint64(b[k]) << (8 * k)
	}
	return n
}

func TestClockMustBeGranted(t *testing.T) {
	for id := range 2 {
		_, first := ask(t, clockGuest(id), Options{}, 1)
		_, tenth := ask(t, clockGuest(id), Options{}, 10)
		if d := number(tenth) - number(first); number(first) != uint64(time.Second+time.Microsecond) || d != uint64(9*time.Microsecond) {
			t.Errorf("clock %d: %d, and %d ns later at the tenth reading", id, number(first), d)
		}
	}
	_, now := ask(t, clockGuest(0), Options{Grants: []string{CapClock}}, 1)
	if d := time.Since(time.Unix(0, int64(number(now)))); d < 0 || d > time.Hour {
		t.Errorf("the granted clock is %v off", d)
	}
}

func TestRandomMustBeGranted(t *testing.T) {
	guest := wasiGuest("random_get", []byte{i32, i32}, wasmtest.Const(wasmtest.OutputAt), wasmtest.Const(8))
	_, first := ask(t, guest, Options{}, 1)
	_, again := ask(t, guest, Options{}, 1)
	_, later := ask(t, guest, Options{}, 2)
	_, real := ask(t, guest, Options{Grants: []string{CapRandom}}, 1)
	if !bytes.Equal(first, again) || bytes.Equal(first, later) || bytes.Equal(first, real) {
		t.Errorf("%x, %x again, %x later, %x if granted", first, again, later, real)
	}
}

// There are no files, no arguments and no waiting, and addresses outside the memory are errors of the guest's.
func TestWASIIsClosed(t *testing.T) {
	at := wasmtest.Const(wasmtest.OutputAt)
	out := wasmtest.Const(-4)
	for name, c := range map[string]struct {
		guest *wasmtest.Guest
		want  uint32
	}{
		"preopened folder": {wasiGuest("fd_prestat_get", []byte{i32, i32}, wasmtest.Const(3), at), wasiBadFile},
		"standard input":   {wasiGuest("fd_read", []byte{i32, i32, i32, i32}, wasmtest.Const(0), at, wasmtest.Const(1), at), wasiBadFile},
		"other output":     {wasiGuest("fd_write", []byte{i32, i32, i32, i32}, wasmtest.Const(4), at, wasmtest.Const(1), at), wasiBadFile},
		"arguments":        {wasiGuest("args_sizes_get", []byte{i32, i32}, at, at), wasiOK},
		"open a file":      {wasiGuest("path_unlink_file", []byte{i32, i32, i32}, wasmtest.Const(3), at, wasmtest.Const(1)), wasiNoSys},
		"write outside":    {wasiGuest("environ_sizes_get", []byte{i32, i32}, out, out), wasiFault},
		"clock outside":    {wasiGuest("clock_time_get", []byte{i32, i64, i32}, wasmtest.Const(0), []byte{0x42, 0}, out), wasiFault},
		"random outside":   {wasiGuest("random_get", []byte{i32, i32}, at, wasmtest.Const(-1)), wasiFault},
		"vectors outside":  {wasiGuest("fd_write", []byte{i32, i32, i32, i32}, wasmtest.Const(1), out, wasmtest.Const(2), at), wasiFault},
		"poll nothing":     {wasiGuest("poll_oneoff", []byte{i32, i32, i32, i32}, at, at, wasmtest.Const(0), at), wasiFault},
		"poll outside":     {wasiGuest("poll_oneoff", []byte{i32, i32, i32, i32}, out, at, wasmtest.Const(1), at), wasiFault},
		"wait":             {wasiGuest("poll_oneoff", []byte{i32, i32, i32, i32}, at, at, wasmtest.Const(1), at), wasiOK},
	} {
		if code, _ := ask(t, c.guest, Options{}, 1); code != c.want {
			t.Errorf("%s: error number %d, want %d", name, code, c.want)
		}
	}
}

func TestExitIsATrap(t *testing.T) {
	i, err := start(t, wasiGuest("proc_exit", []byte{i32}, wasmtest.Const(3)), Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = i.Call(1)
	if code, ok := ExitCode(err); !ok || code != 3 || !i.Dead() || !strings.Contains(err.Error(), "ended itself with code 3") {
		t.Errorf("%v", err)
	}
}

// What a dying guest prints explains its end, granted or not; it reaches the log only if granted.
func TestLastWords(t *testing.T) {
	const text = "goroutine 1\npanic: no route\x07 to host\nmore"
	g := wasiGuest("fd_write", []byte{i32, i32, i32, i32}, wasmtest.Const(2), wasmtest.Const(wasmtest.OutputAt), wasmtest.Const(1), wasmtest.Const(wasmtest.OutputAt+8))
	g.Process = append(g.Process, wasmtest.Unreachable...)
	g.Message = text
	g.Output = []byte{wasmtest.MessageAt & 0xFF, wasmtest.MessageAt >> 8, 0, 0, byte(len(text)), 0, 0, 0}
	for grant, lines := range map[string]int{"": 0, CapLog: 2} {
		var logged []string
		opt := Options{Log: func(_ int, line string) { logged = append(logged, line) }}
		if grant != "" {
			opt.Grants = []string{grant}
		}
		i, err := start(t, g, opt, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = i.Call(1); err == nil || !strings.HasSuffix(err.Error(), "(it said: panic: no route  to host)") || !strings.Contains(err.Error(), abi.ExportProcess) {
			t.Errorf("%v", err)
		}
		if len(logged) != lines || lines > 0 && logged[1] != "panic: no route  to host" {
			t.Errorf("%q logged", logged)
		}
	}
}

// Compiled code hands an i32 over with anything in the upper half of its word: a Go guest's panic was lost that way.
func TestUpperHalvesDoNotCount(t *testing.T) {
	i, err := start(t, &wasmtest.Guest{Output: []byte{wasmtest.MessageAt & 0xFF, wasmtest.MessageAt >> 8, 0, 0, 4, 0, 0, 0}, Message: "last"}, Options{Grants: []string{CapClock}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const dirty = 0xDEAD << 32
	if code := fdWrite(i, i.mem, []uint64{dirty | 2, dirty | wasmtest.OutputAt, dirty | 1, dirty | wasmtest.OutputAt + 8}); code != wasiOK || string(i.said) != "last" {
		t.Errorf("code %d, %q said", code, i.said)
	}
	if code := clockTime(i, i.mem, []uint64{dirty, 0, dirty | wasmtest.OutputAt + 16}); code != wasiOK {
		t.Errorf("code %d", code)
	}
	if now, _ := i.mem.ReadUint64Le(wasmtest.OutputAt + 16); time.Since(time.Unix(0, int64(now))).Abs() > time.Hour {
		t.Errorf("realtime is %d", now)
	}
}
