package config

// Op is what became of an entry.
type Op string

// The ops.
const (
	Added   Op = "added"
	Removed Op = "removed"
	Changed Op = "changed"
)

// Change is one difference between two configurations.
type Change struct {
	Section string // as in the file: "faces", "store.rules", "limits"
	Key     string // the entry: a face's name, a prefix in hex, a setting of a table
	Op      Op
	What    string // one sentence for the operator, never with a key in it
	Restart bool   // it cannot be applied to a running node
}

// Diff compares two configurations. The changes are in the order of the surface page. The error says which of them need a
// restart; the changes are given all the same.
func Diff(old, new *Config) ([]Change, error) { return nil, nil }
