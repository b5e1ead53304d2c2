// Package scaffold owns the folder that a new plugin begins as: a template of its kind under the plugin's name, with the guest SDK
// beside it, so that it builds without a network and without this repository. What is written builds and passes its tests as
// it stands.
//
// The SDK lies in a folder of its own, a module with the import path that it has here, and nobody edits it: [Update] replaces it by the
// one in this binary. The package knows nothing of building or running what it writes.
package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/zmesh/zmesh/sdk"
)

// Kinds are the kinds of plugins that there is a template for.
var Kinds = []string{"strategy", "driver", "decoder"}

// Folder is where the SDK lies in a plugin's folder.
const Folder = "zmesh"

const (
	modulePath = "github.com/zmesh/zmesh"

	// goVersion is the oldest Go that exports functions from wasm (go:wasmexport).
	goVersion = "1.24"
)

// ErrKind says that there is no template for a kind.
var ErrKind = errors.New("there is no such kind of plugin")

// ErrName says that a folder's name is none for a plugin.
var ErrName = errors.New("the plugin has the name of its folder, which must be lower case letters, digits and -, beginning with a letter")

// ErrNotEmpty says that a folder has files in it already, and none of them is touched.
var ErrNotEmpty = errors.New("there are files in it already: name a new or an empty folder")

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// New writes a plugin of a kind into a new or empty folder. The plugin has the folder's name. version is this program's.
func New(dir, kind, version string) (name string, err error) {
	if !slices.Contains(Kinds, kind) {
		return "", fmt.Errorf("kind %q: %w: want one of %s", kind, ErrKind, strings.Join(Kinds, ", "))
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name = filepath.Base(abs)
	if !nameForm.MatchString(name) {
		return "", fmt.Errorf("%q: %w", name, ErrName)
	}
	switch entries, err := os.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return "", fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	list := files{
		"go.mod":     []byte(fmt.Sprintf("module %s\n\ngo %s\n\nrequire %s v0.0.0\n\nreplace %[3]s => ./%[4]s\n", name, goVersion, modulePath, Folder)),
		".gitignore": []byte("*.wasm\n"),
	}
	if err := list.template(kind, name); err != nil {
		return "", err
	}
	if err := list.guest(Folder, version); err != nil {
		return "", err
	}
	return name, list.write(dir)
}

// Update replaces the SDK in a plugin's folder by the one in this binary.
func Update(dir, version string) error {
	mod, err := os.ReadFile(filepath.Join(dir, Folder, "go.mod"))
	if err != nil || !bytes.HasPrefix(mod, []byte("module "+modulePath+"\n")) {
		return fmt.Errorf("%s: there is no SDK in it that plugin new has written", filepath.Join(dir, Folder))
	}
	next := filepath.Join(dir, Folder+".new")
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	list := files{}
	if err := list.guest("", version); err != nil {
		return err
	}
	if err := list.write(next); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, Folder)); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(dir, Folder))
}

// files are what is to be written, by path with slashes.
type files map[string][]byte

// template adds the template of a kind under the plugin's name.
func (f files) template(kind, name string) error {
	root := "template/" + kind
	return fs.WalkDir(sdk.Files, root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(sdk.Files, p)
		f[strings.TrimPrefix(p, root+"/")] = bytes.ReplaceAll(text, []byte("my-"+kind), []byte(name))
		return err
	})
}

// guest adds the SDK without its own tests, as a module.
func (f files) guest(below, version string) error {
	f[path.Join(below, "go.mod")] = []byte("module " + modulePath + "\n\ngo " + goVersion + "\n")
	f[path.Join(below, "README.md")] = []byte("The guest SDK of Z-Mesh " + version + ", as `zmesh plugin new` has written it. Do not edit it: `zmesh plugin new --update DIR`\n" +
		"replaces this folder by the SDK of the zmesh at hand.\n")
	return fs.WalkDir(sdk.Files, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (p == "template" || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || strings.HasSuffix(p, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(sdk.Files, p)
		f[path.Join(below, "sdk", p)] = text
		return err
	})
}

func (f files) write(dir string) error {
	for name, text := range f {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
