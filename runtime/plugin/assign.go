package plugin

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Assign makes a record of what a person writes for a value that is to be encoded: "[NAME=]VALUE[ UNIT]". VALUE is a number, true,
// false, a text, or hex where the quantity is bytes; NAME may end in _N for channel N. What is left out the schema adds: the unit, and
// the name if only one quantity can take the value, or one is named as, or begins with, hint. Without a schema nothing is added.
func (s Schema) Assign(text, hint string) (Record, error) {
	name, value, named := strings.Cut(text, "=")
	if !named || !nameForm.MatchString(name) {
		name, value, named = "", text, false
	}
	if named {
		return s.assignNamed(name, value), nil
	}
	fit := s.takers(value)
	for _, better := range []func(*Field) bool{
		func(f *Field) bool { return f.Name == hint },
		func(f *Field) bool { return hint != "" && strings.HasPrefix(f.Name, hint) },
	} {
		if i := slices.IndexFunc(fit, func(f Field) bool { return better(&f) }); len(fit) > 1 && i >= 0 {
			fit = fit[i : i+1]
		}
	}
	switch {
	case s == nil:
		return Record{}, errors.New("the decoder does not say what it encodes: say which quantity it is, NAME=VALUE")
	case len(fit) != 1 || fit[0].Name == "":
		return Record{}, fmt.Errorf("say which quantity it is, NAME=VALUE: the decoder encodes %s", s.encodes())
	}
	r, _ := fit[0].take(fit[0].Name, NoChannel, value)
	return r, nil
}

// assignNamed makes a record of a name and a value. If no field takes it, the record is what the value looks like: the check by
// the schema then says what is wrong.
func (s Schema) assignNamed(name, value string) Record {
	base, channel := name, int32(NoChannel)
	if at := strings.LastIndexByte(name, '_'); at > 0 {
		if n, err := strconv.ParseUint(name[at+1:], 10, 31); err == nil {
			base, channel = name[:at], int32(n)
		}
	}
	for i := range s {
		f := &s[i]
		switch {
		case !f.Encoded:
		case f.Name == name || f.Name == "":
			if r, ok := f.take(name, NoChannel, value); ok {
				return r
			}
		case f.Name == base && (f.Channel == AnyChannel || f.Channel == channel):
			if r, ok := f.take(base, channel, value); ok {
				return r
			}
		}
	}
	r, _ := (&Field{Channel: NoChannel}).take(name, NoChannel, value)
	return r
}

// takers are the fields that a value can be encoded as.
func (s Schema) takers(value string) (fit []Field) {
	for i := range s {
		if _, ok := s[i].take(s[i].Name, NoChannel, value); ok && s[i].Encoded {
			fit = append(fit, s[i])
		}
	}
	return fit
}

// take makes a record of a value for the field; ok is false if the field is of another type or unit.
func (f *Field) take(name string, channel int32, value string) (r Record, ok bool) {
	r = Record{Name: name, Unit: f.Unit, Type: f.Type, Channel: channel, Measure: f.Measure, Statistic: f.Statistic}
	if channel == NoChannel && f.Channel >= 0 {
		r.Channel = f.Channel
	}
	number, unit, _ := strings.Cut(value, " ")
	n, err := strconv.ParseFloat(number, 64)
	isNumber := err == nil && (unit == "" || f.Unit == "" && f.Name == "" || unit == f.Unit)
	isBool := value == "true" || value == "false"
	switch f.Type {
	case NotAvailable:
		r.Type = Text
		if isNumber {
			r.Type = Number
		} else if isBool {
			r.Type = Bool
		}
	case Number:
		ok = isNumber
	case Bool:
		ok = isBool
	case Text:
		ok = true
	case Bytes:
		r.Bytes, err = hex.DecodeString(value)
		return r, err == nil
	}
	switch r.Type {
	case Number:
		r.Number = n
		if unit != "" {
			r.Unit = unit
		}
	case Bool:
		r.Bool = value == "true"
	default:
		r.Text = value
	}
	return r, ok || f.Type == NotAvailable
}
