package vectors

import (
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// T is what of testing.T is needed, so that nothing else than a test links package testing.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// Run runs a file of vectors through a decoder natively, with the default configuration. It gives how many there were.
func Run(t T, d guest.Decoder, file string) int {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
		return 0
	}
	f, err := Read(data)
	if err != nil {
		t.Fatal(err)
		return 0
	}
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if err := f.native(v, d); err != nil {
			t.Errorf("%v", err)
		}
	}
	return len(f.Vectors)
}

func (f *File) native(v *Vector, d guest.Decoder) error {
	payload, err := v.Bytes()
	if err != nil {
		return err
	}
	if v.Encodes() {
		if err := f.nativeEncode(v, d); err != nil || !v.Decodes() {
			return err
		}
	}
	got, err := guest.RunDecoder(d, guest.Values{}, v.Port, v.Received, List(v.Variables), payload)
	if err != nil {
		return fmt.Errorf("%s: %w", v.ID, err)
	}
	return f.Check(v, Of(got.Records))
}

func (f *File) nativeEncode(v *Vector, d guest.Decoder) error {
	e, ok := d.(guest.Encoder)
	if !ok {
		return fmt.Errorf("%s is to be encoded, and the decoder is no guest.Encoder", v.ID)
	}
	wanted, err := v.Wanted()
	if err != nil {
		return err
	}
	got, err := guest.RunEncoder(e, guest.Values{}, v.Port, v.Received, List(v.Variables), wanted)
	if err != nil {
		return fmt.Errorf("%s: %w", v.ID, err)
	}
	payload := []byte(nil)
	for i := range got.Records {
		if r := &got.Records[i]; r.Tag == abi.TagPayload {
			payload = r.Value
		}
	}
	return f.CheckPayload(v, payload, Of(got.Records).Errors)
}

// Wanted gives the records of a vector that is to be encoded; none of others.
func (v *Vector) Wanted() (list []abi.Record, err error) {
	if !v.Encodes() {
		return nil, nil
	}
	for i := range v.Records {
		e := &v.Records[i]
		r := abi.Record{Tag: abi.TagValue, Name: []byte(e.Name), Unit: []byte(e.Unit), Channel: -1}
		if e.Channel != nil {
			r.Channel = int32(*e.Channel)
		}
		if e.Time != nil {
			r.Offset = *e.Time
		}
		at := slices.Index(Statistics[:], e.Statistic)
		if at < 0 {
			return nil, fmt.Errorf("record %s: statistic %q is none of %q", e.Name, e.Statistic, Statistics[1:])
		}
		r.Statistic = uint8(at)
		if err := set(&r, e.Value); err != nil {
			return nil, fmt.Errorf("record %s: %w", e.Name, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// set writes a value as JSON gives it.
func set(r *abi.Record, value any) error {
	switch x := value.(type) {
	case nil:
	case float64:
		r.Type, r.Bits = abi.TypeNumber, math.Float64bits(x)
	case string:
		r.Type, r.Value = abi.TypeText, []byte(x)
	case bool:
		r.Type = abi.TypeBool
		if x {
			r.Bits = 1
		}
	case map[string]any:
		text, _ := x["hex"].(string)
		b, err := hex.DecodeString(text)
		if err != nil || len(x) != 1 {
			return fmt.Errorf("%v is no {\"hex\": \"…\"}", x)
		}
		r.Type, r.Value = abi.TypeBytes, b
	default:
		return fmt.Errorf("%v is no number, text, true, false, null or {\"hex\": \"…\"}", x)
	}
	return nil
}

// List turns variables as JSON gives them into a list, sorted by name. Values of other types are left out.
func List(variables map[string]any) (list []abi.Value) {
	for name, value := range variables {
		v := abi.Value{Name: name}
		switch x := value.(type) {
		case string:
			v.Type, v.Text = abi.ListText, x
		case float64:
			v.Type, v.Num = abi.ListFloat, x
			if x == float64(int64(x)) {
				v = abi.Value{Name: name, Type: abi.ListInt, Int: int64(x)}
			}
		case bool:
			v.Type, v.Bool = abi.ListBool, x
		default:
			continue
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b abi.Value) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}

// Of turns records into a result.
func Of(records []abi.Record) (r Result) {
	for i := range records {
		switch e := &records[i]; e.Tag {
		case abi.TagWarning:
			r.Warnings = append(r.Warnings, string(e.Value))
		case abi.TagError:
			r.Errors = append(r.Errors, string(e.Value))
		case abi.TagValue:
			r.Records = append(r.Records, Found{
				Name: string(e.Name), Unit: string(e.Unit), Channel: int(e.Channel), Time: e.Offset, Value: valueOf(e),
				Statistic: Statistics[min(int(e.Statistic), len(Statistics)-1)],
			})
		}
	}
	return r
}

func valueOf(r *abi.Record) any {
	switch r.Type {
	case abi.TypeNumber:
		return r.Number()
	case abi.TypeText:
		return string(r.Value)
	case abi.TypeBool:
		return r.Bits == 1
	case abi.TypeBytes:
		return append([]byte{}, r.Value...)
	}
	return nil
}
