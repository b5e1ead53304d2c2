package plugin

import "time"

// ValueType says which field of a [Record] holds its value.
type ValueType uint8

// The types of a value.
const (
	NotAvailable ValueType = iota // the device says that it has no value
	Number
	Text
	Bool
	Bytes
)

// Measure says how a record's values relate to each other over time.
type Measure uint8

// The measures; "kind" in the contract.
const (
	Gauge      Measure = iota // the value now
	Counter                   // only grows, until it wraps or is reset
	Delta                     // since the last record
	StateOf                   // one of a few states
	Occurrence                // something happened
)

// Statistic says what of a period a record is.
type Statistic uint8

// The statistics.
const (
	NoStatistic Statistic = iota
	Minimum
	Maximum
	Mean
	Sum
	Deviation
	Median
)

// NoChannel is the Channel of a record that has none.
const NoChannel = -1

// Record is one value that a decoder found.
type Record struct {
	Name      string // the quantity: lower case, digits, _ and . as SenML allows
	Unit      string // of the SenML registry (RFC 8428, RFC 8798); empty: none
	Type      ValueType
	Number    float64 // finite
	Text      string  // UTF-8
	Bool      bool
	Bytes     []byte
	Offset    time.Duration // from the time of receipt; whole ms, negative: before it, at most 2^28 s after it
	Time      time.Time     // whole ms; not zero: the payload says when, and Offset is 0
	Channel   int32         // NoChannel if the format has none
	Measure   Measure
	Statistic Statistic
}

// Request is what a decoder works on.
type Request struct {
	Payload   []byte
	Port      uint16         // 0: none
	Received  time.Time      // zero: unknown
	Variables map[string]any // per-device constants: string, int64, float64 or bool
}

// Decoded is a decoder's answer. Records that were found before an error stand.
type Decoded struct {
	Records  []Record
	Warnings []string
	Errors   []string // not empty: the payload is not, or not wholly, of the format
	Consumed int      // bytes of the payload that were understood
}
