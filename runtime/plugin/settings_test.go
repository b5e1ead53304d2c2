package plugin

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

var one, ten = 1.0, 10.0

var schema = &engine.Manifest{Config: map[string]engine.Setting{
	"text":        {Type: "string", OneOf: []string{"a", "b"}},
	"on":          {Type: "bool", Default: true},
	"retry.first": {Type: "duration", Default: "10s", Min: &one},
	"count":       {Type: "int", Min: &one, Max: &ten},
	"factor":      {Type: "float"},
}}

func TestEncodeConfig(t *testing.T) {
	config := map[string]any{"text": "b", "retry": map[string]any{"first": "1m30s"}, "count": 3.0, "factor": int64(2)}
	b, err := encodeConfig(schema, config)
	if err != nil {
		t.Fatal(err)
	}
	list, err := abi.ReadValues(b)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]abi.Value{}
	for _, v := range list {
		got[v.Name] = v
	}
	if len(list) != 5 || got["text"].Text != "b" || !got["on"].Bool || got["retry.first"].Int != int64(90*time.Second) || got["count"].Int != 3 || got["factor"].Num != 2 {
		t.Errorf("%+v", list)
	}
}

func TestMistakesInConfig(t *testing.T) {
	for want, config := range map[string]map[string]any{
		`config key text: "c" is none of a, b`:          {"text": "c"},
		"config key text: 7 is not a text":              {"text": int64(7)},
		"config key on: yes is not true or false":       {"on": "yes"},
		`config key retry.first: 10 is not a duration`:  {"retry.first": int64(10)},
		"config key retry.first: 0.5 s is less than 1":  {"retry": map[string]any{"first": "500ms"}},
		"config key count: 11 is more than 10":          {"count": int64(11)},
		"config key count: 1.5 is not a whole number":   {"count": 1.5},
		"config key count: [] is not a whole number":    {"count": []any{}},
		"config key factor: NaN is not a number":        {"factor": math.NaN()},
		"config key retry.last: the plugin has no such": {"retry": map[string]any{"last": "1s"}},
	} {
		if _, err := encodeConfig(schema, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	needed := &engine.Manifest{Config: map[string]engine.Setting{"key": {Type: "string", Required: true, Help: "the key"}}}
	if _, err := encodeConfig(needed, nil); err == nil || !strings.Contains(err.Error(), "config key key: it is missing") {
		t.Errorf("%v", err)
	}
	if _, err := encodeConfig(&engine.Manifest{}, map[string]any{"a": 1}); err == nil || !strings.Contains(err.Error(), "it has none") {
		t.Errorf("%v", err)
	}
}
