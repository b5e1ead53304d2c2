package codebase

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// module is the path that imports of our own packages begin with.
const module = "github.com/zmesh/zmesh/"

// root is the top of the tree, seen from this package's folder, where `go test` runs.
const root = "../.."

// source is one Go file, parsed with its comments.
type source struct {
	path string // from the root, with slashes
	test bool
	ast  *ast.File
	fset *token.FileSet
}

// dir is the folder of the file, from the root.
func (s *source) dir() string { return path.Dir(s.path) }

// room is the top-level folder of the file.
func (s *source) room() string { return roomOf(s.path) }

func roomOf(path string) string {
	room, _, _ := strings.Cut(path, "/")
	return room
}

// at is where a node stands, for messages.
func (s *source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// imports lists the import paths of the file.
func (s *source) imports() []string {
	paths := make([]string, len(s.ast.Imports))
	for i, spec := range s.ast.Imports {
		paths[i], _ = strconv.Unquote(spec.Path.Value)
	}
	return paths
}

// sources parses every Go file of the tree.
func sources(t *testing.T) []*source {
	t.Helper()
	var list []*source
	for _, p := range files(t) {
		if path.Ext(p) != ".go" {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(root, filepath.FromSlash(p)), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, &source{path: p, test: strings.HasSuffix(p, "_test.go"), ast: f, fset: fset})
	}
	return list
}

// files lists the files of the tree from the root, with slashes, in order. What is built or kept by tools is left out.
func files(t *testing.T) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && (rel == ".git" || rel == "bin" || d.Name() == "node_modules" || d.Name() == "target"):
			return fs.SkipDir
		case d.Type().IsRegular():
			list = append(list, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// text reads one file of the tree.
func text(t *testing.T, p string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(p)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
