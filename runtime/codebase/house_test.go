package codebase

import (
	"path"
	"strings"
	"testing"
)

// The top level is fixed, so that the house stays a house.
func TestTopLevel(t *testing.T) {
	const allowed = " runtime core plugins sdk faces examples go.mod go.sum Makefile README.md LICENSE RATIONALE.md CHANGELOG.md "
	for _, p := range files(t) {
		if top := roomOf(p); !strings.HasPrefix(top, ".") && !strings.Contains(allowed, " "+top+" ") {
			t.Errorf("%s: the top level holds only%sand dot-files", p, allowed)
		}
	}
}

// Each room has a README for the person who comes to it.
func TestEveryRoomHasAReadme(t *testing.T) {
	rooms, readmes := map[string]bool{}, map[string]bool{}
	for _, p := range files(t) {
		room, rest, below := strings.Cut(p, "/")
		if below && !strings.HasPrefix(room, ".") {
			rooms[room] = true
			readmes[room] = readmes[room] || rest == "README.md"
		}
	}
	for room := range rooms {
		if !readmes[room] {
			t.Errorf("%s has no README.md", room)
		}
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test {
			documented[s.dir()] = documented[s.dir()] || s.ast.Doc.Text() != ""
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a package comment; write 5 to 20 lines: what it owns, what it must not know", dir)
		}
	}
}

func TestNoPackageIsADrawer(t *testing.T) {
	const drawers = " util utils common misc helper helpers "
	for _, s := range sources(t) {
		if n := s.ast.Name.Name; strings.Contains(drawers, " "+strings.TrimSuffix(n, "_test")+" ") {
			t.Errorf("%s: package %s says nothing of what it owns", s.path, n)
		}
		if strings.Contains(drawers, " "+path.Base(s.dir())+" ") {
			t.Errorf("%s: the folder's name says nothing of what it owns", s.path)
		}
	}
}

func TestNoFileIsTooLong(t *testing.T) {
	const longest = 600
	ours := map[string]bool{".go": true, ".md": true, ".rs": true, ".c": true, ".h": true, ".ts": true, ".sh": true, "": true}
	for _, p := range files(t) {
		if !ours[path.Ext(p)] || path.Base(p) == "LICENSE" {
			continue
		}
		if n := strings.Count(text(t, p), "\n"); n > longest {
			t.Errorf("%s has %d lines, at most %d: it holds more than one concern", p, n, longest)
		}
	}
}

// A replaced module is not what go.mod says, and not what somebody gets who imports ours.
func TestNoReplaceDirectives(t *testing.T) {
	for _, p := range files(t) {
		if path.Base(p) != "go.mod" {
			continue
		}
		for i, line := range strings.Split(text(t, p), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "replace") {
				t.Errorf("%s:%d: %s", p, i+1, line)
			}
		}
	}
}
