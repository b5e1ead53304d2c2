// Package vectors owns the form of a decoder's test vectors: what a device sent, and what is to come out of it. The same file
// is read by a decoder's native tests and travels in its manifest, where the host runs it before it lets the decoder work.
//
// A vector expects either records in our own form, or what a vendor's own decoder makes of the payload, in the vendor's
// shape; then a small table in the same file says which of our records each of the vendor's fields is. No field may be left
// out: a field that the table does not name, and a record that nothing expects, are both failures.
//
// A vector may go the way back, or both ways: then its records are encoded, and the payload is what is to come out.
//
// It knows nothing of wasm or the host: a caller decodes and hands over what was found.
package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// File is a file of vectors.
type File struct {
	About   string           `json:"about,omitempty"`
	Map     map[string]Field `json:"map,omitempty"` // by the vendor's field, nested ones joined by a dot
	Entries *Entries         `json:"entries,omitempty"`
	Vectors []Vector         `json:"vectors"`
}

// Entries says what the entries of expect.records are, if they are not {channel, type, name, value}: the field with the value, and those
// that are, joined by " | ", its key in the table. There may be no others.
type Entries struct {
	Key   []string `json:"key"`
	Value string   `json:"value"`
}

// Field says which record a vendor's field is.
type Field struct {
	Record    string         `json:"record"`              // its name
	Or        []string       `json:"or,omitempty"`        // other names, where ours tells apart what the vendor's field does not
	Unit      string         `json:"unit,omitempty"`      // its unit
	Channel   *int           `json:"channel,omitempty"`   // its channel, where the vendor's field has no channel beside it
	Statistic string         `json:"statistic,omitempty"` // one of Statistics
	Type      *int           `json:"type,omitempty"`      // the vendor's number for the field, where it stands in the vector
	Theirs    string         `json:"theirs,omitempty"`    // the vendor's unit, where it stands in the vector
	Form      string         `json:"form,omitempty"`      // of the vendor's text, where ours is none: "number", "hex" (a number), "bytes" (hex)
	Factor    float64        `json:"factor,omitempty"`    // ours = vendor's × factor; 0: 1
	Values    map[string]any `json:"values,omitempty"`    // ours for the vendor's, where it is a word or a code
	Absent    []any          `json:"absent,omitempty"`    // values of the vendor's that stand for no record
}

// Statistics are the names of a record's statistics, by their number.
var Statistics = [...]string{"", "minimum", "maximum", "mean", "sum", "deviation", "median"}

// Ways that a vector goes.
const (
	WayDecode = "decode" // payload to records; as if nothing were said
	WayEncode = "encode" // records to payload
	WayBoth   = "both"
)

// Vector is one payload with what it means.
type Vector struct {
	ID        string          `json:"id"`
	Name      string          `json:"name,omitempty"`
	Device    string          `json:"device,omitempty"`
	Way       string          `json:"way,omitempty"`
	Payload   string          `json:"payload"` // hex
	Port      uint16          `json:"port,omitempty"`
	Received  int64           `json:"received,omitempty"` // Unix ms
	Variables map[string]any  `json:"variables,omitempty"`
	Expect    json.RawMessage `json:"expect,omitempty"`  // the vendor's shape; see the comment of Check
	Also      []string        `json:"also,omitempty"`    // names of records that the vendor leaves out
	Records   []Expected      `json:"records,omitempty"` // our own shape: exactly these, in this order
	Errors    []string        `json:"errors,omitempty"`  // each is part of an error; absent: there is none
	Warnings  []string        `json:"warnings,omitempty"`
	Source    *Source         `json:"source,omitempty"`
	Note      string          `json:"note,omitempty"`
}

// Expected is a record in our own shape. A channel or time that is absent is not compared; the rest always is.
type Expected struct {
	Name      string `json:"name"`
	Unit      string `json:"unit,omitempty"`
	Channel   *int   `json:"channel,omitempty"`
	Statistic string `json:"statistic,omitempty"`
	Time      *int64 `json:"time,omitempty"` // ms from the receipt; from 2^28 s on Unix ms
	Value     any    `json:"value"`          // number, text, bool, {"hex": "…"}; null: not available
}

// Source is where a vector comes from.
type Source struct {
	Repo    string `json:"repo"`
	Path    string `json:"path"`
	Commit  string `json:"commit"`
	Licence string `json:"licence"`
}

// Bounds of a file: its vectors run each time the decoder is loaded.
const (
	MaxSize    = 1 << 20 // bytes
	MaxVectors = 1000
)

// Read reads a file of vectors. Keys that it does not know are mistakes.
func Read(data []byte) (*File, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("vectors: %d bytes, and there may be %d", len(data), MaxSize)
	}
	f := &File{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("vectors: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("vectors: something follows after the end")
	}
	if len(f.Vectors) > MaxVectors {
		return nil, fmt.Errorf("vectors: there are %d, and there may be %d", len(f.Vectors), MaxVectors)
	}
	for i := range f.Vectors {
		if err := f.Vectors[i].check(); err != nil {
			return nil, fmt.Errorf("vectors: number %d (%q) %w", i+1, f.Vectors[i].ID, err)
		}
	}
	return f, nil
}

func (v *Vector) check() error {
	switch {
	case v.ID == "" || v.Expect == nil && v.Records == nil && v.Errors == nil:
		return errors.New("has no id, or expects nothing: give it expect, records or errors")
	case v.Way != "" && v.Way != WayDecode && v.Way != WayEncode && v.Way != WayBoth:
		return fmt.Errorf("goes %q: want decode, encode or both", v.Way)
	case v.Encodes() && len(v.Records) == 0:
		return errors.New("is to be encoded and has no records")
	}
	_, err := v.Wanted()
	return err
}

// Decodes tells whether the payload is to be decoded.
func (v *Vector) Decodes() bool { return v.Way != WayEncode }

// Encodes tells whether the records are to be encoded.
func (v *Vector) Encodes() bool { return v.Way == WayEncode || v.Way == WayBoth }

// Bytes gives the payload.
func (v *Vector) Bytes() ([]byte, error) {
	b, err := hex.DecodeString(v.Payload)
	if err != nil {
		return nil, fmt.Errorf("payload of %s: %w", v.ID, err)
	}
	return b, nil
}
