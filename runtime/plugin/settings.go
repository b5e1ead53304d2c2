package plugin

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// ConfigError is a mistake in a plugin's configuration. Key is where it stands, dotted; empty if it is no single key's.
type ConfigError struct {
	Key string
	Why string
}

func (e *ConfigError) Error() string {
	if e.Key == "" {
		return e.Why
	}
	return "config key " + e.Key + ": " + e.Why
}

// encodeConfig checks a configuration and writes it for the guest: every setting that is given or has a default, by name.
func encodeConfig(m *engine.Manifest, config map[string]any) ([]byte, error) {
	given := map[string]any{}
	flatten("", config, given)
	var list []abi.Value
	var wrong []error
	for _, key := range slices.Sorted(maps.Keys(m.Config)) {
		s := m.Config[key]
		value, ok := given[key]
		delete(given, key)
		switch {
		case !ok && s.Required:
			wrong = append(wrong, &ConfigError{key, "it is missing, and the plugin needs it: " + s.Help})
			continue
		case !ok && s.Default == nil:
			continue
		case !ok:
			value = s.Default
		}
		v, err := encodeSetting(&s, value)
		if err != nil {
			wrong = append(wrong, &ConfigError{key, err.Error()})
			continue
		}
		v.Name = key
		list = append(list, v)
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		wrong = append(wrong, &ConfigError{key, "the plugin has no such setting" + have(m)})
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return abi.AppendValues(nil, list)
}

// have names the settings that there are.
func have(m *engine.Manifest) string {
	if len(m.Config) == 0 {
		return ": it has none"
	}
	return "; it has " + strings.Join(slices.Sorted(maps.Keys(m.Config)), ", ")
}

// flatten turns nested tables into dotted keys.
func flatten(above string, from, to map[string]any) {
	for key, value := range from {
		if table, ok := value.(map[string]any); ok {
			flatten(above+key+".", table, to)
			continue
		}
		to[above+key] = value
	}
}

// encodeSetting checks one value. Numbers may come from JSON, where every one is a float.
func encodeSetting(s *engine.Setting, value any) (abi.Value, error) {
	switch s.Type {
	case "string":
		text, ok := value.(string)
		if ok && len(s.OneOf) > 0 && !slices.Contains(s.OneOf, text) {
			return abi.Value{}, fmt.Errorf("%q is none of %s", text, strings.Join(s.OneOf, ", "))
		}
		return abi.Value{Type: abi.ListText, Text: text}, want(ok, s, value)
	case "bool":
		is, ok := value.(bool)
		return abi.Value{Type: abi.ListBool, Bool: is}, want(ok, s, value)
	case "duration":
		text, _ := value.(string)
		d, err := time.ParseDuration(text)
		if err != nil {
			return abi.Value{}, want(false, s, value)
		}
		return abi.Value{Type: abi.ListInt, Int: int64(d)}, within(s, d.Seconds(), " s")
	case "float":
		number, ok := toFloat(value)
		if !ok {
			return abi.Value{}, want(false, s, value)
		}
		return abi.Value{Type: abi.ListFloat, Num: number}, within(s, number, "")
	}
	number, ok := toFloat(value)
	if !ok || number != math.Trunc(number) || math.Abs(number) > 1<<53 {
		return abi.Value{}, want(false, s, value)
	}
	return abi.Value{Type: abi.ListInt, Int: int64(number)}, within(s, number, "")
}

func toFloat(value any) (float64, bool) {
	switch n := value.(type) {
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	case float64:
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	}
	return 0, false
}

func want(ok bool, s *engine.Setting, value any) error {
	if ok {
		return nil
	}
	form := map[string]string{
		"string": "a text", "bool": "true or false", "duration": `a duration like "10s"`,
		"float": "a number", "int": "a whole number",
	}[s.Type]
	return fmt.Errorf("%v is not %s", value, form)
}

func within(s *engine.Setting, number float64, unit string) error {
	show := func(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) + unit }
	switch {
	case s.Min != nil && number < *s.Min:
		return fmt.Errorf("%s is less than %s", show(number), show(*s.Min))
	case s.Max != nil && number > *s.Max:
		return fmt.Errorf("%s is more than %s", show(number), show(*s.Max))
	}
	return nil
}

// encodeVariables turns a device's variables into a list, by name.
func encodeVariables(variables map[string]any) ([]abi.Value, error) {
	list := make([]abi.Value, 0, len(variables))
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		v := abi.Value{Name: name}
		switch x := variables[name].(type) {
		case string:
			v.Type, v.Text = abi.ListText, x
		case bool:
			v.Type, v.Bool = abi.ListBool, x
		case int64:
			v.Type, v.Int = abi.ListInt, x
		case float64:
			v.Type, v.Num = abi.ListFloat, x
		default:
			return nil, fmt.Errorf("variable %s is a %T, want a text, a number or true or false", name, x)
		}
		list = append(list, v)
	}
	return list, nil
}
