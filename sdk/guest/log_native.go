//go:build !wasm

package guest

import "os"

// hostLog writes to standard error where there is no host: in native tests.
func hostLog(_ uint32, text string) { os.Stderr.WriteString(text + "\n") }
