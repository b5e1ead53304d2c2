package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
)

// made is what stands beside the machine code of a module: what a compiling process has left, and which program on which processor that was.
// It protects from damage and from a cache that was moved; the folder's mode protects from other people.
type made struct {
	File    string `json:"file"` // below the module's folder
	Sum     string `json:"sha256"`
	Metered string `json:"metered"` // SHA-256 of the module that was compiled, which is kept besides: to meter it takes longest
	By      string `json:"by"`
}

const (
	madeName    = "made.json"
	meteredName = "metered.wasm"
)

// maker tells what the code of this program depends on besides the module: the program itself, and with it the compiler and how it is
// set, by its file's size and time and by what it was built from, as images of systems give all files one time; and the processor's features.
// Empty: it cannot be told, and no record is believed.
var maker = sync.OnceValue(func() string {
	cpu := processor()
	file, err := os.Executable()
	if err != nil || cpu == "" {
		return ""
	}
	st, err := os.Stat(file)
	if err != nil {
		return ""
	}
	build, _ := debug.ReadBuildInfo() // nil in a program without modules, and written as such
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s %v", st.Size(), st.ModTime().UnixNano(), cpu, build))
	return hex.EncodeToString(sum[:16])
})

// wholeCode gives the metered module of a folder that has the machine code which its record speaks of, whole; otherwise nil.
func wholeCode(dir, by string) []byte {
	b, err := os.ReadFile(filepath.Join(dir, madeName))
	if err != nil {
		return nil
	}
	var m made
	if json.Unmarshal(b, &m) != nil || m.By != by || !filepath.IsLocal(m.File) {
		return nil
	}
	metered, err := os.ReadFile(filepath.Join(dir, meteredName))
	if err != nil || sumOf(metered) != m.Metered {
		return nil
	}
	code, err := os.ReadFile(filepath.Join(dir, m.File))
	if err != nil || sumOf(code) != m.Sum {
		return nil
	}
	return metered
}

// recordCode notes what a child has left in a file, and the module that it is the code of.
func recordCode(dir, file, by string, metered []byte) error {
	code, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("compile cache: %w", err)
	}
	m := made{Sum: sumOf(code), Metered: sumOf(metered), By: by}
	if m.File, err = filepath.Rel(dir, file); err != nil {
		return fmt.Errorf("compile cache: %w", err)
	}
	record, err := json.Marshal(m)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		b    []byte
	}{{meteredName, metered}, {madeName, record}} { // half of it is not whole, and is made again
		if err := os.WriteFile(filepath.Join(dir, f.name), f.b, 0o600); err != nil {
			return fmt.Errorf("compile cache: %w", err)
		}
	}
	return nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
