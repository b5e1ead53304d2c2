// Package codebase owns the tests about the house itself: who may import whom, that each package says what it owns, that the core
// has no clock and no random numbers of its own, that each choice P-n of the protocol has a place in the code and a test, and that the
// commands of every README work.
//
// It stands in runtime because only runtime may see all other folders. It has no code that anything could use; it reads
// the sources as text, so it needs no package to compile and sees files of every build tag.
package codebase
