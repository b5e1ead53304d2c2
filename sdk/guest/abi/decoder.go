package abi

// Sizes of a decoder's regions: what the host needs at least.
const (
	DecoderInput  = 8192
	DecoderOutput = 65536
)

// A payload: one item of a decoder's input.
//
//	offset  size  field
//	0       8     head of the item; kind Decode
//	8       8     time of receipt, Unix ms; 0: unknown
//	16      2     port; 0: none
//	18      2     0
//	20      4     size of the variables
//	24      4     size of the payload
//	28      4     0
//	32            variables (see AppendValues), then the payload, then padding to a multiple of 8
const (
	PayloadTime      = 8
	PayloadPort      = 16
	PayloadVariables = 20
	PayloadSize      = 24
	PayloadFixed     = 32
)

// Decode is the only kind of a decoder's items so far.
const Decode = 0

// OutConsumed stands in a decoder's output head, in the first 4 of the bytes that are zero otherwise: how many bytes of the
// payload were understood.
const OutConsumed = OutDetails

// A record of a decoder's output: a value, a warning or an error.
//
//	offset  size  field
//	0       2     size of the record
//	2       1     tag: TagValue
//	3       1     type of the value
//	4       4     channel, signed; -1: none
//	8       8     the number as float64; of a bool 0 or 1 as uint64; 0 otherwise
//	16      8     time offset from the receipt, ms, signed; negative: before
//	24      1     measure: gauge, counter, delta, state, event
//	25      1     statistic
//	26      1     size of the name
//	27      1     size of the unit
//	28      2     size of the value, if it is text or bytes
//	30      2     0
//	32            name, unit, value, padding to a multiple of 8
//
// A warning or an error:
//
//	0       2     size of the record
//	2       1     tag: TagWarning or TagError
//	3       1     0
//	4       2     size of the text
//	6       2     0
//	8             text, padding to a multiple of 8
const (
	RecordTag       = 2
	RecordType      = 3
	RecordChannel   = 4
	RecordNumber    = 8
	RecordTime      = 16
	RecordMeasure   = 24
	RecordStatistic = 25
	RecordName      = 26
	RecordUnit      = 27
	RecordValue     = 28
	RecordFixed     = 32

	NoteText  = 4
	NoteFixed = 8
)

// Tags of records.
const (
	TagValue   = 1
	TagWarning = 2
	TagError   = 3
)

// Types of values.
const (
	TypeNotAvailable = 0
	TypeNumber       = 1
	TypeText         = 2
	TypeBool         = 3
	TypeBytes        = 4
)

// Measures.
const (
	Gauge   = 0
	Counter = 1
	Delta   = 2
	State   = 3
	Event   = 4
)

// Statistics of a period.
const (
	NoStatistic = 0
	Minimum     = 1
	Maximum     = 2
	Mean        = 3
	Sum         = 4
	Deviation   = 5
	Median      = 6
)

// MaxRecords is how many records, warnings and errors count for one payload.
const MaxRecords = 1024
