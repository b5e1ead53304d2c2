package guest

import "github.com/zmesh/zmesh/sdk/guest/abi"

// Values are a plugin's configuration, which the host has checked against the manifest, or a device's variables. A key that
// is not there, or has another type, gives the default.
type Values struct{ list []abi.Value }

// MakeValues makes a list for tests.
func MakeValues(list ...abi.Value) Values { return Values{list} }

// Has tells whether a key is there.
func (v Values) Has(key string) bool { return v.find(key) != nil }

func (v Values) find(key string) *abi.Value {
	for i := range v.list {
		if v.list[i].Name == key {
			return &v.list[i]
		}
	}
	return nil
}

// Text gives a string.
func (v Values) Text(key, otherwise string) string {
	if e := v.find(key); e != nil && e.Type == abi.ListText {
		return e.Text
	}
	return otherwise
}

// Int gives a whole number.
func (v Values) Int(key string, otherwise int64) int64 {
	if e := v.find(key); e != nil && e.Type == abi.ListInt {
		return e.Int
	}
	return otherwise
}

// Float gives a number; a whole one as well.
func (v Values) Float(key string, otherwise float64) float64 {
	switch e := v.find(key); {
	case e != nil && e.Type == abi.ListFloat:
		return e.Num
	case e != nil && e.Type == abi.ListInt:
		return float64(e.Int)
	}
	return otherwise
}

// Bool gives a truth value.
func (v Values) Bool(key string, otherwise bool) bool {
	if e := v.find(key); e != nil && e.Type == abi.ListBool {
		return e.Bool
	}
	return otherwise
}

// Duration gives a setting of the type duration, in ns.
func (v Values) Duration(key string, otherwise int64) int64 { return v.Int(key, otherwise) }
