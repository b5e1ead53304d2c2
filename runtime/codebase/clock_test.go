package codebase

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"
)

// outside lists what the core must not reach for by package: time, randomness and sockets are handed in, so that the same
// worker runs under a virtual clock with simulated links, and gives the same result for the same seed.
var outside = map[string]func(name string) bool{
	"time": func(name string) bool {
		return strings.Contains(" Now Since Until Sleep After AfterFunc Tick NewTimer NewTicker ", " "+name+" ")
	},
	"math/rand":    func(name string) bool { return !strings.HasPrefix(name, "New") && globalOf(name) },
	"math/rand/v2": func(name string) bool { return !strings.HasPrefix(name, "New") && globalOf(name) },
	"crypto/rand":  func(string) bool { return true },
	"net":          func(string) bool { return true },
	"os/exec":      func(string) bool { return true },
}

// globalOf tells the functions of a rand package from its types, which may be used.
func globalOf(name string) bool {
	return !strings.Contains(" Rand Source Source64 Zipf PCG ChaCha8 ", " "+name+" ")
}

// goroutines are started in the core by these packages only, and ended and waited for there; nothing starts one on the data path.
var goroutines = map[string]string{
	"core/store/disk": "writes, syncs and reads beside the path",
}

func TestCoreHasNoClockOfItsOwn(t *testing.T) {
	for _, s := range sources(t) {
		if s.room() != "core" || s.test {
			continue
		}
		for _, found := range reaches(s) {
			t.Error(found)
		}
	}
}

// reaches lists the places where a file of the core reaches outside.
func reaches(s *source) (found []string) {
	packages := names(s)
	ast.Inspect(s.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if goroutines[s.dir()] == "" {
				found = append(found, s.at(n)+": starts a goroutine")
			}
		case *ast.SelectorExpr:
			if n.Sel.Name == "Go" && goroutines[s.dir()] == "" {
				found = append(found, s.at(n)+": starts a goroutine")
			}
			if x, ok := n.X.(*ast.Ident); ok {
				p := packages[x.Name]
				if refused := outside[p]; refused != nil && refused(n.Sel.Name) {
					found = append(found, s.at(n)+": "+p+"."+n.Sel.Name+" must be handed in")
				}
			}
		}
		return true
	})
	return found
}

// names gives the import path of each package name of the file.
func names(s *source) map[string]string {
	m := map[string]string{}
	for i, p := range s.imports() {
		name := path.Base(p)
		if name == "v2" {
			name = path.Base(path.Dir(p))
		}
		if s.ast.Imports[i].Name != nil {
			name = s.ast.Imports[i].Name.Name
		}
		m[name] = p
	}
	return m
}

func TestTheClockRuleSeesWhatItShould(t *testing.T) {
	const code = `package p
import ("sync"; "time"; mrand "math/rand/v2"; "net")
var _ = time.Second
var _ = time.Now
func f(r *mrand.Rand) { go f(mrand.New(nil)); time.Sleep(1); mrand.Int(); r.Int(); _ = net.IPv4len }
func g(wg *sync.WaitGroup) { wg.Go(nil) }`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "core/p/p.go", code, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := reaches(&source{path: "core/p/p.go", ast: f, fset: fset})
	want := []string{
		"core/p/p.go:4: time.Now", "core/p/p.go:5: starts a goroutine", "core/p/p.go:5: time.Sleep",
		"core/p/p.go:5: math/rand/v2.Int ", "core/p/p.go:5: net.IPv4len", "core/p/p.go:6: starts a goroutine",
	}
	if len(found) != len(want) {
		t.Fatalf("found %s", strconv.Quote(strings.Join(found, "; ")))
	}
	for i := range want {
		if !strings.HasPrefix(found[i], want[i]) {
			t.Errorf("found %q, want %q", found[i], want[i])
		}
	}
}
