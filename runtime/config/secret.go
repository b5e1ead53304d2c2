package config

import (
	"crypto/subtle"
	"fmt"
	"slices"
)

// redacted is what everything that prints a Secret shows.
const redacted = "[redacted]"

// Secret is key material. It prints as "[redacted]" under every verb of fmt, in JSON, as text and in zerolog; only
// [Secret.Bytes] gives what is in it. The zero value is no key.
type Secret struct{ bytes []byte }

// NewSecret copies b.
func NewSecret(b []byte) Secret { return Secret{bytes: slices.Clone(b)} }

// Bytes gives a copy of the key, nil if there is none. Do not print it.
func (s Secret) Bytes() []byte { return slices.Clone(s.bytes) }

// Len is the length of the key in bytes.
func (s Secret) Len() int { return len(s.bytes) }

// Equal compares in constant time.
func (s Secret) Equal(o Secret) bool { return subtle.ConstantTimeCompare(s.bytes, o.bytes) == 1 }

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return redacted }

// Format implements fmt.Formatter: %x and %d are redacted too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler; zerolog uses it too.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
