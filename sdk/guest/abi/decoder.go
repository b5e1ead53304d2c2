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

// Kinds of a decoder's items.
const (
	Decode   = 0 // a payload to records
	Encode   = 1 // records to a payload: a command; only to a guest with FeatureEncode
	Describe = 2 // what records there can be; only to a guest with FeatureDescribe
)

// Features that a decoder relies on if it has them, so that a host asks for nothing that an older guest would take for a payload.
const (
	FeatureDescribe = 1 << 16
	FeatureEncode   = 1 << 17
)

// Records to be encoded are an item of the same layout as a payload, of the kind Encode: the time is now, the port is what the
// payload will travel on (0: the decoder's choice), and in place of the payload stand records as in an output, values only. How many
// they are stands in 2 bytes at EncodeCount. An item of the kind Describe has the same fixed part, and nothing in it.
const EncodeCount = 18

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
//	16      8     time, ms, signed: an offset from the receipt, negative: before; from AbsoluteTime on Unix ms, as in RFC 8428, 4.5.3
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
//
// What Encode gives, once, unless there is an error:
//
//	0       2     size of the record
//	2       1     tag: TagPayload
//	3       1     0
//	4       2     size of the payload
//	6       2     port that it must travel on; 0: any
//	8             payload, padding to a multiple of 8
//
// What Describe gives, once for each quantity: a record of the layout of a value, with TagField; its number is a set of FieldDecoded
// and FieldEncoded, its value a line of help. The empty name stands for all names, with it the empty unit for all units; the type 0
// for all types; the channel AnyChannel for all channels.
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
	NotePort  = 6
	NoteFixed = 8
)

// Tags of records.
const (
	TagValue   = 1
	TagWarning = 2
	TagError   = 3
	TagField   = 4
	TagPayload = 5
)

// What a described quantity is in.
const (
	FieldDecoded = 1 << 0 // Decode gives it
	FieldEncoded = 1 << 1 // Encode takes it
)

// AnyChannel is the channel of a described quantity that has channels.
const AnyChannel = -2

// AbsoluteTime is where a record's time begins to be Unix time, in ms: 2^28 s (RFC 8428, 4.5.3).
const AbsoluteTime = 1 << 28 * 1000

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
