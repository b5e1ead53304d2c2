package script

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// update is go test's flag that rewrites scripts.
var update = flag.Bool("update", false, "write what came into the scripts of events, in place of what was expected")

// T is what of testing.T is needed, so that nothing else than a test links package testing.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// Run runs a file of events through a plugin natively: a [guest.Strategy] or a [guest.Driver]. Each life begins with a copy of the plugin as it is given
// here, which is then configured. It gives how many events there were. With `go test -update` it writes into the file what came.
func Run(t T, plugin any, file string) int {
	t.Helper()
	kind, err := kindOf(plugin)
	if err != nil {
		t.Fatal(err)
		return 0
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
		return 0
	}
	f, err := Read(file, kind, data)
	if err != nil {
		t.Fatal(err)
		return 0
	}
	var results []Result
	for r, err := range f.Play(native(plugin)) {
		if err != nil {
			t.Fatal(err)
			return len(results)
		}
		results = append(results, r)
	}
	if *update {
		if err := os.WriteFile(file, f.Text(results), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s is rewritten with what came", file)
		return len(results)
	}
	for i := range results {
		if r := &results[i]; !r.OK() {
			t.Errorf("%s:%d: %s\n%s", file, r.Line, r.Event, r.Diff())
		}
	}
	return len(results)
}

func kindOf(plugin any) (string, error) {
	switch plugin.(type) {
	case guest.Strategy:
		return "strategy", nil
	case guest.Driver:
		return "driver", nil
	}
	return "", fmt.Errorf("a %T is no plugin that takes events: want a guest.Strategy or a guest.Driver", plugin)
}

// native opens copies of a plugin, so that one life knows nothing of another.
func native(plugin any) Open {
	first := reflect.ValueOf(plugin)
	snapshot := first
	if first.Kind() == reflect.Pointer {
		snapshot = reflect.New(first.Type().Elem()).Elem()
		snapshot.Set(first.Elem())
	}
	return func(settings []Setting) (Machine, error) {
		fresh := snapshot
		if first.Kind() == reflect.Pointer {
			fresh = reflect.New(first.Type().Elem())
			fresh.Elem().Set(snapshot)
		}
		var list []abi.Value
		for i := range settings {
			list = append(list, settings[i].Value())
		}
		m, err := guest.Native(fresh.Interface(), guest.MakeValues(list...))
		if err != nil {
			return nil, fmt.Errorf("the plugin refuses its configuration: %w", err)
		}
		return careful{m}, nil
	}
}

// careful turns a panic into what it would be in a node: a trap.
type careful struct{ *guest.Machine }

func (c careful) Call(n int) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	if out, ok := c.Machine.Call(n); ok {
		return out, nil
	}
	return nil, errors.New("the input is damaged")
}
