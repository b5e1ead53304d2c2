package plugin

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// Bounds of what a decoder may say.
const (
	maxOffset = 100 * 365 * 24 * time.Hour // into the past: beyond it a time is a mistake
	maxTime   = 7_258_118_400_000          // Unix ms: the year 2200
	maxNote   = 255                        // bytes of a warning or error
)

// nameForm is SenML's form of names (RFC 8428, section 4.5.1).
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:./_-]*$`)

const whyName = "its name is not of SenML's form: letters, digits and -:./_"

// accept turns what a guest wrote into records, and keeps out what is none: such a record becomes an error of the answer.
func accept(list []abi.Record, consumed, size int) Decoded {
	d := Decoded{Consumed: min(consumed, size)}
	for i := range list {
		switch e := &list[i]; e.Tag {
		case abi.TagWarning:
			d.Warnings = append(d.Warnings, note(e.Value))
		case abi.TagError:
			d.Errors = append(d.Errors, note(e.Value))
		default:
			r, why := record(e)
			if why != "" {
				d.Errors = append(d.Errors, fmt.Sprintf("the decoder's record %d (%s) is refused: %s", i+1, quote(string(e.Name)), why))
				continue
			}
			d.Records = append(d.Records, r)
		}
	}
	return d
}

// record checks one record. why is empty if it is one.
func record(e *abi.Record) (r Record, why string) {
	r = Record{
		Name: string(e.Name), Unit: string(e.Unit), Type: ValueType(e.Type), Channel: e.Channel,
		Measure: Measure(e.Measure), Statistic: Statistic(e.Statistic),
	}
	switch {
	case !nameForm.MatchString(r.Name):
		return r, whyName
	case r.Measure > Occurrence || r.Statistic > Median || r.Channel < NoChannel:
		return r, "its measure, statistic or channel cannot be"
	case e.Offset > maxTime || e.Offset < -maxOffset.Milliseconds():
		return r, "its time is more than a hundred years off"
	case e.Offset >= abi.AbsoluteTime:
		r.Time = time.UnixMilli(e.Offset).UTC()
	default:
		r.Offset = time.Duration(e.Offset) * time.Millisecond
	}
	if why := checkUnit(r.Name, r.Unit); why != "" && (r.Type == Number || r.Unit != "") {
		return r, why
	}
	return r, r.take(e)
}

// take reads the value.
func (r *Record) take(e *abi.Record) (why string) {
	switch r.Type {
	case NotAvailable:
	case Number:
		r.Number = e.Number()
		if math.IsNaN(r.Number) || math.IsInf(r.Number, 0) {
			return "its number is not finite"
		}
	case Text:
		r.Text = string(e.Value)
		if !utf8.Valid(e.Value) {
			return "its text is not UTF-8"
		}
	case Bool:
		r.Bool = e.Bits == 1
		if e.Bits > 1 {
			return "it is neither true nor false"
		}
	case Bytes:
		r.Bytes = append([]byte{}, e.Value...)
	default:
		return "its type cannot be"
	}
	return ""
}

// note makes a guest's text fit to be shown: quoted where it is not plain.
func note(b []byte) string {
	s := string(b[:min(len(b), maxNote)])
	if q := quote(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}

// quote shows a text whatever is in it.
func quote(s string) string { return strconv.QuoteToGraphic(s) }

// result gives an answer in the form that vectors are checked in.
func (d *Decoded) result() vectors.Result {
	r := vectors.Result{Warnings: d.Warnings, Errors: d.Errors}
	for i := range d.Records {
		e := &d.Records[i]
		found := vectors.Found{
			Name: e.Name, Unit: e.Unit, Channel: int(e.Channel), Value: e.Value(), Statistic: vectors.Statistics[e.Statistic],
			Time: e.Offset.Milliseconds(),
		}
		if !e.Time.IsZero() {
			found.Time = e.Time.UnixMilli()
		}
		r.Records = append(r.Records, found)
	}
	return r
}

// Value gives the value by its type: float64, string, bool, []byte, or nil if it is not available.
func (r *Record) Value() any {
	switch r.Type {
	case Number:
		return r.Number
	case Text:
		return r.Text
	case Bool:
		return r.Bool
	case Bytes:
		return r.Bytes
	}
	return nil
}
