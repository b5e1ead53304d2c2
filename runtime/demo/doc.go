// Package demo is `zmesh demo`: the whole system in one go on loopback, in a temporary folder.
//
// Three forwarders run as processes of their own, in a triangle. Twelve sensors publish the payloads of real devices, each
// encrypted by its stream; a consumer at another forwarder reads them, while a strategy is swapped and forwarders are killed. The
// package counts what arrives and claims nothing that it has not counted: it gives an error as soon as something is missing, twice,
// out of order or wrong.
//
// It is a user of the system, not a part of it: it starts the same binary that a person starts, and speaks to it through
// sdk/node and the admin API.
package demo
