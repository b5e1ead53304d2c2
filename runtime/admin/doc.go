// Package admin is the management API of a running node and its client: JSON over HTTP on a unix socket of mode 0600, or on
// TCP with a token or mutual TLS.
//
// It owns the shapes of what is asked and answered (the types in api.go, one URL each) and how a client finds and speaks to
// the socket. What they mean is the [Node]'s business, which runtime/host implements: the package knows no forwarder. Profiles are
// here too, under /debug/pprof, and nowhere else: they hold keys.
//
// No answer has a network or content key in it.
package admin
