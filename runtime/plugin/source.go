package plugin

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/script"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// shipped holds the plugins that make has built before it built the binary. The README is there so that it is never empty.
//
//go:embed builtin
var shipped embed.FS

// maxModule bounds the file that is read at all, in bytes.
const maxModule = 16 << 20

// String gives "builtin:milesight", a path, or "bytes".
func (s Source) String() string {
	switch {
	case s.Builtin != "":
		return "builtin:" + s.Builtin
	case s.Path != "":
		return s.Path
	case s.Was != "":
		return s.Was
	}
	return "bytes"
}

// ErrBuiltin says that the binary was built without running make.
var ErrBuiltin = errors.New("run make")

// read gets the module's bytes.
func (s Source) read() ([]byte, error) {
	switch {
	case s.Builtin != "" && s.Path == "" && s.Bytes == nil:
		code, err := shipped.ReadFile(path.Join("builtin", s.Builtin+".wasm"))
		if err != nil {
			return nil, missing(s.Builtin)
		}
		return code, nil
	case s.Path != "" && s.Builtin == "" && s.Bytes == nil:
		return readFile(s.Path)
	case s.Bytes != nil && s.Builtin == "" && s.Path == "":
		return s.Bytes, nil
	}
	return nil, errors.New("a plugin comes from a path, from the binary, or as bytes: give exactly one of them")
}

// missing says which plugins are in the binary, where the one that is wanted is not.
func missing(name string) error {
	files, _ := shipped.ReadDir("builtin") // embedded: it is always there
	var names []string
	for _, f := range files {
		if n, ok := strings.CutSuffix(f.Name(), ".wasm"); ok {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("built-in plugin %q is not in this binary, as no other is: %w", name, ErrBuiltin)
	}
	return fmt.Errorf("built-in plugin %q is not in this binary, which has %s", name, strings.Join(names, ", "))
}

func readFile(file string) ([]byte, error) {
	st, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the plugin: %w", err)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("read the plugin: %s is no file", file)
	case st.Size() > maxModule:
		return nil, fmt.Errorf("read the plugin: %s has %d bytes and may have %d", file, st.Size(), maxModule)
	}
	return os.ReadFile(file)
}

// version is a module that was checked, with what it is instantiated with.
type version struct {
	source  Source
	module  *engine.Module
	config  []byte // list of values
	vectors *vectors.File
	events  *script.File // nil: none
	schema  Schema       // of a decoder that describes itself
	since   time.Time
	code    []byte // to bring it up again; nil of one that ships
	killers killers
	each    atomic.Int64 // of a strategy: the most fuel that an event has taken, the mean of its call; see most
}

// stateID is the number of the schema of what the host keeps for a version: equal for all that say so in their manifests, otherwise its own.
func (v *version) stateID() uint64 {
	if state := v.module.Manifest.State; state != "" {
		return abi.SchemaID(state)
	}
	return abi.SchemaID("module " + v.module.Digest)
}

// inspect reads a module and makes sure that this host has its kind.
func inspect(src Source) (*engine.Info, []byte, error) {
	code, err := src.read()
	if err != nil {
		return nil, nil, err
	}
	info, err := engine.Read(code)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", src, err)
	}
	return info, code, nil
}

// tradeOf finds the trade of a kind.
func tradeOf(k Kind) (trade, error) {
	if t := trades[k]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("it is a %s, and this version of zmesh runs %s only", k, kindList())
}

// kindList names the kinds that this host runs.
func kindList() string {
	var list []string
	for _, k := range []Kind{KindStrategy, KindDriver, KindDecoder} {
		if trades[k] != nil {
			list = append(list, k.plural())
		}
	}
	return strings.Join(list, " and ")
}

func (k Kind) plural() string {
	if k == KindStrategy {
		return "strategies"
	}
	return string(k) + "s"
}

// engineOptions are the engine's for a kind, whether this host runs it or not.
func engineOptions(k Kind, grants []string) engine.Options {
	o := engine.Options{Grants: grants, MaxModule: maxModule}
	if t := trades[k]; t != nil {
		t.options(&o)
	}
	return o
}

// own reads what a manifest brings to test the plugin with.
func (v *version) own(m *engine.Manifest) (err error) {
	if v.vectors, err = readVectors(m); err != nil {
		return err
	}
	v.events, err = readEvents("its events", m)
	return firstMistake(err)
}

// readEvents reads the events of a manifest; nil: there are none. The error holds all mistakes.
func readEvents(name string, m *engine.Manifest) (*script.File, error) {
	if m.Events == "" {
		return nil, nil
	}
	f, err := script.Read(name, m.Kind, []byte(m.Events))
	if err == nil && m.Driver != nil {
		err = f.CheckLinks(m.Driver.LinkBlock, m.Driver.PeerBlock)
	}
	return f, err
}

// readVectors reads the vectors of a manifest, which only decoders have.
func readVectors(m *engine.Manifest) (*vectors.File, error) {
	switch {
	case len(m.Vectors) == 0 || bytes.Equal(m.Vectors, []byte("null")):
		return &vectors.File{}, nil
	case Kind(m.Kind) != KindDecoder:
		return nil, fmt.Errorf("vectors: they are for decoders, and this is a %s: give it events", m.Kind)
	}
	return vectors.Read(m.Vectors)
}
