package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/zmesh/zmesh/core/name"
)

// maxFile bounds a file of the configuration, in bytes: beyond it somebody has named the wrong file.
const maxFile = 64 << 20

// loader reads one configuration and collects what is wrong with it.
type loader struct {
	cfg      *Config
	mistakes Mistakes
	own      *name.Network // of the node's own network; nil while it has mistakes
	hashed   bool          // of the node's own network
}

// file is a TOML file that is being read.
type file struct {
	loader *loader
	path   string
	lines  map[path]int
}

// Load reads and checks a configuration and the files that it names. Its error is of type [Mistakes] and holds everything that
// is wrong; then there is no Config.
func Load(path string) (*Config, error) {
	l := newLoader(path)
	if text, ok := l.read(path, Position{File: path}, "the configuration"); ok {
		l.load(text)
	}
	return l.result()
}

func newLoader(path string) *loader {
	return &loader{cfg: &Config{File: path, Dir: filepath.Dir(path)}}
}

func (l *loader) result() (*Config, error) {
	if len(l.mistakes) > 0 {
		return nil, l.mistakes.Sorted(l.cfg.File)
	}
	return l.cfg, nil
}

// load checks the text of the main file. The order is that of what is needed first: the wildcard and the URIs of streams are
// part of how names are made, and prefixes cannot be read before.
func (l *loader) load(text string) {
	root, ok := l.parse(l.cfg.File, text)
	if !ok {
		return
	}
	node := l.section(root, "node")
	l.readLimits(root.table("limits"))
	l.readNode(node)
	streams := l.streamTables(root, node)
	l.readNetworks(root, node, streams)
	l.readOnboarding(node)
	node.end()
	l.readStore(root.table("store"))
	l.readPlugins(root.tables("plugins"))
	l.readFaces(root.tables("faces"))
	l.readRoutes(root.tables("routes"))
	l.readAnnounce(root.tables("announce"))
	l.readStrategies(root.tables("strategies"))
	l.readTrust(root.table("plugins_trust"))
	l.readStreams(streams)
	l.readAdmin(root)
	l.readMetrics(root)
	l.readLog(root.table("log"))
	root.end()
}

// isFolder tells whether a path is a folder, or nothing yet.
func (l *loader) isFolder(path string, at Position, what string) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		l.wrong(at, "%s %s is a file: name a folder; it is made if it is not there", what, path)
	}
}

// section gives a table that must be there; an empty one if it is not.
func (l *loader) section(root *table, key string) *table {
	if t := root.table(key); t != nil {
		return t
	}
	if !root.has(key) {
		root.wrongAt("", `there is no [%s]: add it, with name = "…"`, key)
	}
	return &table{file: root.file, at: path("").key(key), title: "[" + key + "]", m: map[string]any{"name": "missing"}}
}

// secretDigits are what a key looks like. Names have 12 digits, so they stay.
var secretDigits = regexp.MustCompile(`[0-9a-fA-F]{20,}`)

// wrong notes a mistake. Whatever looks like a key is taken out of the sentence, wherever it came from: a key that stands in the
// wrong place is a mistake that people make.
func (l *loader) wrong(at Position, format string, args ...any) {
	what := secretDigits.ReplaceAllString(fmt.Sprintf(format, args...), redacted)
	l.mistakes = append(l.mistakes, Mistake{File: at.File, Line: at.Line, What: what})
}

// resolve gives a path as it is from here: those in a configuration start at its folder.
func (l *loader) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.cfg.Dir, path)
}

// read gives the text of a file. what says what it is, in a mistake.
func (l *loader) read(path string, at Position, what string) (text string, ok bool) {
	if !l.isFile(path, at, what) {
		return "", false
	}
	b, err := os.ReadFile(path)
	if err != nil {
		l.wrong(at, "%s %s cannot be read: %v", what, path, reason(err))
		return "", false
	}
	return string(b), true
}

// isFile tells whether there is a regular file of a possible size.
func (l *loader) isFile(path string, at Position, what string) bool {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint := " (paths start at the folder of the configuration)"
		if at.Line == 0 {
			hint = ""
		}
		l.wrong(at, "%s %s is not there: make it, or name another%s", what, path, hint)
	case err != nil:
		l.wrong(at, "%s %s cannot be read: %v", what, path, reason(err))
	case info.IsDir():
		l.wrong(at, "%s %s is a folder: name a file", what, path)
	case !info.Mode().IsRegular():
		l.wrong(at, "%s %s is a device or a pipe: name a file", what, path)
	case info.Size() > maxFile:
		l.wrong(at, "%s %s has %s, at most %s: name another file", what, path, sizeText(info.Size()), sizeText(maxFile))
	default:
		return true
	}
	return false
}

// reason is what the system said, without the path, which the sentence has.
func reason(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// isPrivate refuses a file with any of the bits of forbidden in its mode. Where files have no such modes, everything is private.
func (l *loader) isPrivate(path string, at Position, what string, forbidden fs.FileMode) {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" {
		return
	}
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		l.wrong(at, "%s %s holds keys and is open to others (mode %04o): run chmod 600 %s", what, path, mode, path)
	}
}

// parse reads TOML. The library stops at the first mistake of syntax, so there is one at most.
func (l *loader) parse(name, text string) (root *table, ok bool) {
	f := &file{loader: l, path: name}
	m, err := decode(text)
	if err != nil {
		at, format, args := syntax(name, err)
		l.wrong(at, format, args...)
		return nil, false
	}
	f.lines = positions(text)
	return &table{file: f, title: "the file", m: m}, true
}

// decode is the library's, which panics on some texts that are no TOML.
func decode(text string) (m map[string]any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	_, err = toml.Decode(text, &m)
	return m, err
}

// syntax is a mistake of syntax as the library tells it. Its text may show what stands there, so whoever writes a key without
// quotes must not find it in a log: quoted parts are left out.
func syntax(name string, err error) (at Position, format string, args []any) {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		return Position{File: name, Line: 1}, "this is not TOML", nil
	}
	message := quotedPart.ReplaceAllString(strings.TrimSuffix(pe.Message, "."), "…")
	hint := "texts, keys, durations and sizes stand in quotes"
	if strings.Contains(message, "already") {
		hint = "each key and each [table] stands once, and the entries of a list are [[tables]]"
	}
	return Position{File: name, Line: max(pe.Position.Line, 1)}, "this is not TOML: %s; %s", []any{message, hint}
}

var quotedPart = regexp.MustCompile(`"[^"]*"`)
