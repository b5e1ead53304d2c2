//go:build !amd64 || purego

package wire

// chain is what this processor's MACs are made with.
type chain = portable
