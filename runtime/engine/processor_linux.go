package engine

import (
	"os"
	"strings"
)

// processor tells processors apart for which machine code may differ: by the model and the features that the kernel shows of the first.
// Empty: it cannot be told.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(b), "\n\n")
	var told strings.Builder
	for line := range strings.Lines(first) {
		switch key, _, _ := strings.Cut(line, ":"); strings.TrimSpace(key) {
		case "model name", "flags", "Features", "isa":
			told.WriteString(line)
		}
	}
	return told.String()
}
