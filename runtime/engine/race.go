//go:build race

package engine

// slowness is how many times longer the compiler may take: under the race detector it takes some ten times as long.
const slowness = 10
