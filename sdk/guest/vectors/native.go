package vectors

import (
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
	got, err := guest.RunDecoder(d, guest.Values{}, v.Port, v.Received, List(v.Variables), payload)
	if err != nil {
		return err
	}
	return f.Check(v, Of(got.Records))
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
		default:
			r.Records = append(r.Records, Found{string(e.Name), string(e.Unit), int(e.Channel), valueOf(e)})
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
