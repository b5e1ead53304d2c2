package guest

import (
	"math"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Payload is what a decoder works on. It is valid while Decode runs.
type Payload struct {
	Bytes     []byte
	Port      uint16 // 0: none
	Received  int64  // Unix ms; 0: unknown
	Variables Values // per-device constants
}

// Value is one value that a decoder has found. Make it with [Number], [Text], [Bool], [Bytes] or [NotAvailable].
type Value struct {
	Name      string // the quantity, lower case: temperature
	Unit      string // of the SenML registry: Cel; empty: none
	Channel   int32  // -1: none
	Type      uint8  // abi.TypeNumber …
	Number    float64
	Text      string // of text and of bytes
	Bool      bool
	Offset    int64 // ms from the receipt, negative: before it; from abi.AbsoluteTime on Unix ms
	Measure   uint8 // abi.Gauge …
	Statistic uint8 // abi.Minimum …
}

// Number makes a number.
func Number(name string, number float64, unit string) Value {
	return Value{Name: name, Unit: unit, Channel: -1, Type: abi.TypeNumber, Number: number}
}

// Text makes a text.
func Text(name, text string) Value {
	return Value{Name: name, Channel: -1, Type: abi.TypeText, Text: text, Measure: abi.State}
}

// Bool makes a truth value.
func Bool(name string, is bool) Value {
	return Value{Name: name, Channel: -1, Type: abi.TypeBool, Bool: is, Measure: abi.State}
}

// Bytes makes a value of bytes.
func Bytes(name string, b []byte) Value {
	return Value{Name: name, Channel: -1, Type: abi.TypeBytes, Text: string(b)}
}

// NotAvailable makes the value that a device says it does not have.
func NotAvailable(name, unit string) Value { return Value{Name: name, Unit: unit, Channel: -1} }

// On gives the value with a channel.
func (v Value) On(channel int) Value { v.Channel = int32(channel); return v }

// At gives the value with a time: ms from the receipt, negative: before it; from [abi.AbsoluteTime] on Unix ms.
func (v Value) At(offset int64) Value { v.Offset = offset; return v }

// As gives the value with a measure.
func (v Value) As(measure uint8) Value { v.Measure = measure; return v }

// Of gives the value with a statistic.
func (v Value) Of(statistic uint8) Value { v.Statistic = statistic; return v }

// Decoder turns a payload into values. It has no memory across payloads. It may be an [Encoder] and a [Describer] as well.
type Decoder interface {
	Configure(Values) error
	Decode(*Payload, *Records)
}

// ServeDecoder registers the module's decoder. Call it from init.
func ServeDecoder(d Decoder) { served = &decoderPlugin{decoder: d} }

// Records take what a decoder finds, in order.
type Records struct {
	out      []byte // the output region from the first record on
	at       int
	n        int
	consumed int
	full     bool
}

// Add adds a value. Names and units beyond 255 bytes are cut.
func (r *Records) Add(v Value) { r.write(abi.TagValue, &v, v.bits(), v.Text) }

// write adds a record of the layout of a value.
func (r *Records) write(tag byte, v *Value, number uint64, text string) {
	name, unit := cut(v.Name), cut(v.Unit)
	size := abi.Align(abi.RecordFixed + len(name) + len(unit) + len(text))
	b := r.room(size)
	if b == nil {
		return
	}
	b[abi.RecordTag], b[abi.RecordType] = tag, v.Type
	put32(b, abi.RecordChannel, uint32(v.Channel))
	put64(b, abi.RecordNumber, number)
	put64(b, abi.RecordTime, uint64(v.Offset))
	b[abi.RecordMeasure], b[abi.RecordStatistic] = v.Measure, v.Statistic
	b[abi.RecordName], b[abi.RecordUnit] = byte(len(name)), byte(len(unit))
	put16(b, abi.RecordValue, uint16(len(text)))
	b = b[abi.RecordFixed:]
	b = b[copy(b, name):]
	b = b[copy(b, unit):]
	copy(b, text)
}

func (v *Value) bits() uint64 {
	switch {
	case v.Type == abi.TypeNumber:
		return math.Float64bits(v.Number)
	case v.Type == abi.TypeBool && v.Bool:
		return 1
	}
	return 0
}

// Warn says that something about the payload is odd, though its values stand.
func (r *Records) Warn(text string) { r.note(abi.TagWarning, text) }

// Fail says that the payload, or the rest of it, is not of the format. Values added before stand.
func (r *Records) Fail(text string) { r.note(abi.TagError, text) }

// Consumed says how many bytes of the payload were understood.
func (r *Records) Consumed(n int) { r.consumed = n }

func (r *Records) note(tag byte, text string) {
	text = cut(text)
	if b := r.room(abi.Align(abi.NoteFixed + len(text))); b != nil {
		b[abi.RecordTag] = tag
		put16(b, abi.NoteText, uint16(len(text)))
		copy(b[abi.NoteFixed:], text)
	}
}

// room takes the next size bytes of the output, zeroed, and writes the size. A payload with more to say than fits is marked.
func (r *Records) room(size int) []byte {
	if r.full || r.n == abi.MaxRecords || size > math.MaxUint16 || size > len(r.out)-r.at {
		r.full = true
		return nil
	}
	b := r.out[r.at : r.at+size]
	clear(b)
	put16(b, 0, uint16(size))
	r.at, r.n = r.at+size, r.n+1
	return b
}

func cut(s string) string { return s[:min(len(s), 255)] }

// decoderPlugin is a decoder with its regions.
type decoderPlugin struct {
	decoder Decoder
	in      [abi.DecoderInput / 8]uint64
	out     [abi.DecoderOutput / 8]uint64
}

func (p *decoderPlugin) regions() (input, output []byte) { return bytesOf(p.in[:]), bytesOf(p.out[:]) }

func (p *decoderPlugin) configure(v Values) error { return p.decoder.Configure(v) }

func (p *decoderPlugin) process(n uint32) uint32 {
	in, out := p.regions()
	for i := range n {
		progressWord[0] = uint64(i)
		item := itemAt(in)
		if item == nil || len(out) < abi.OutHead {
			return i
		}
		in, out = in[len(item):], out[p.item(item, out):]
	}
	return n
}

// item works on one item. It gives the size of what it wrote.
func (p *decoderPlugin) item(in, out []byte) int {
	head(out, abi.OutHead, abi.StatusFailed, 0)
	r := Records{out: out[abi.OutHead:]}
	if !p.do(in, &r) || r.full { // half of an answer is none
		return abi.OutHead
	}
	size := abi.OutHead + r.at
	head(out, size, abi.StatusOK, r.n)
	put32(out, abi.OutConsumed, uint32(r.consumed))
	return size
}

// do runs the decoder by the kind of an item. It tells whether the item could be read and is of a kind that the decoder has.
func (p *decoderPlugin) do(in []byte, r *Records) bool {
	payload, ok := readPayload(in)
	if !ok {
		return false
	}
	switch get16(in, abi.ItemKind) {
	case abi.Decode:
		p.decoder.Decode(&payload, r)
		return true
	case abi.Encode:
		return p.encode(in, &payload, r)
	case abi.Describe:
		d, ok := p.decoder.(Describer)
		if ok {
			d.Describe(&Schema{r})
		}
		return ok
	}
	return false
}

func readPayload(in []byte) (p Payload, ok bool) {
	if len(in) < abi.PayloadFixed {
		return p, false
	}
	p.Received, p.Port = int64(get64(in, abi.PayloadTime)), get16(in, abi.PayloadPort)
	fixed := uint64(get16(in, abi.ItemFixed))
	variables, size := uint64(get32(in, abi.PayloadVariables)), uint64(get32(in, abi.PayloadSize))
	if fixed < abi.PayloadFixed || fixed+variables+size > uint64(len(in)) {
		return p, false
	}
	if variables > 0 {
		list, err := abi.ReadValues(in[fixed : fixed+variables])
		if err != nil {
			return p, false
		}
		p.Variables = Values{list}
	}
	p.Bytes = in[fixed+variables : fixed+variables+size]
	return p, true
}
