package meter_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/engine/meter"
)

func TestShippedPluginsComeBackByteForByte(t *testing.T) {
	for _, name := range shipped(t) {
		t.Run(name, func(t *testing.T) {
			raw := plugin(t, name)
			m, err := meter.Parse(raw, meter.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(m.Bytes(), raw) {
				t.Error("it does not come back as it was")
			}
			out, r, err := m.Meter(meter.Options{FuelExport: fuelName, MaxPages: 1024})
			if err != nil {
				t.Fatal(err)
			}
			again, err := meter.Parse(out, meter.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			manifest := func(m *meter.Module) string { return fmt.Sprintf("%q", m.Custom("zmesh.manifest")) }
			if have, want := manifest(again), manifest(m); have != want || have == "[]" {
				t.Errorf("the manifest was %s and is %s", want, have)
			}
		})
	}
}

func TestNumbersLongerThanNeededComeBack(t *testing.T) {
	for seed := range uint64(20) {
		p := randomProgram(seed)
		p.wide = true
		p.custom = map[string]string{"name": "\x00\x01\x00", "other": "content"}
		raw := p.bytes()
		m, err := meter.Parse(raw, meter.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.Bytes(), raw) {
			t.Fatalf("seed %d: it does not come back as it was", seed)
		}
		run(t, meterIt(t, raw))
	}
}

// module makes one of sections, each an id and its content.
func module(sections ...[]byte) []byte {
	m := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range sections {
		m = append(append(append(m, s[0]), uleb(uint64(len(s)-1))...), s[1:]...)
	}
	return m
}

// function makes a module of one function of a type, with a memory, a table of one, two globals (i32 mutable, i64 constant).
func function(c ...any) []byte {
	body := append([]byte{0}, code(c...)...)
	return module(
		code(1, 1, 0x60, 1, i32, 1, i32), code(3, 1, 0), code(4, 1, 0x70, 0, 1), code(5, 1, 0, 1),
		code(6, 2, i32, 1, 0x41, 0, 0x0B, i64, 0, 0x42, 0, 0x0B),
		code(10, 1, uleb(uint64(len(body))), body),
	)
}

func TestRefused(t *testing.T) {
	const malformed, excluded, limit = "malformed", "excluded", "limit"
	kinds := map[string]error{malformed: meter.ErrMalformed, excluded: meter.ErrExcluded, limit: meter.ErrLimit}
	void := code(1, 1, 0x60, 0, 0)
	for name, c := range map[string]struct {
		module     []byte
		kind, want string
	}{
		"empty":                   {nil, malformed, "no wasm module"},
		"other format":            {[]byte("\x7fELF\x01\x00\x00\x00"), malformed, "no wasm module"},
		"component":               {[]byte("\x00asm\x0d\x00\x01\x00"), excluded, "no core module"},
		"section beyond the end":  {append(module(), 1, 100, 0), malformed, "100 bytes are announced and 1 are left"},
		"section size too long":   {append(module(), 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0), malformed, "too long"},
		"section size too large":  {append(module(), 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F), malformed, "too long or too large"},
		"section twice":           {module(void, void), malformed, "type section stands twice or in the wrong place"},
		"sections out of order":   {module(code(3, 0), void), malformed, "type section stands twice or in the wrong place"},
		"section 99":              {module(code(99, 0)), malformed, "a section 99"},
		"tag section":             {module(code(13, 0)), excluded, "exceptions"},
		"trailing bytes":          {module(append(void, 0)), malformed, "type section has 1 bytes too many"},
		"many types announced":    {module(code(1, 0x80, 0x08)), malformed, "1024 types are announced and 0 bytes are left"},
		"too many types":          {module(code(1, uleb(1<<31))), limit, "2147483648 types and may have 10000"},
		"two results":             {module(code(1, 1, 0x60, 0, 2, i32, i32)), excluded, "type 0 has 2 results"},
		"v128":                    {module(code(1, 1, 0x60, 1, 0x7B, 0)), excluded, "SIMD"},
		"externref":               {module(code(1, 1, 0x60, 1, 0x6F, 0)), excluded, "reference type"},
		"struct type":             {module(code(1, 1, 0x5F, 0)), excluded, "garbage collection"},
		"import of no type":       {module(code(2, 1, 0, 0, 0, 0)), malformed, "no type 0"},
		"import of a tag":         {module(void, code(2, 1, 0, 0, 4, 0, 0)), excluded, "tag"},
		"import with a bad name":  {module(void, code(2, 1, 1, 0xFF, 0, 0, 0)), malformed, "UTF-8"},
		"function of no type":     {module(code(3, 1, 0)), malformed, "no type 0"},
		"function without code":   {module(void, code(3, 1, 0)), malformed, "announces 1 functions and has code for 0"},
		"code without function":   {module(void, code(10, 1, 2, 0, 0x0B)), malformed, "announces 0 functions and has code for 1"},
		"two tables":              {module(code(4, 2, 0x70, 0, 1, 0x70, 0, 1)), excluded, "more than one table"},
		"table of externref":      {module(code(4, 1, 0x6F, 0, 1)), excluded, "only funcref"},
		"huge table":              {module(code(4, 1, 0x70, 0, uleb(1<<20))), limit, "1048576 entries and may have 65536"},
		"two memories":            {module(code(5, 2, 0, 1, 0, 1)), excluded, "more than one memory"},
		"shared memory":           {module(code(5, 1, 3, 1, 1)), excluded, "shared"},
		"memory64":                {module(code(5, 1, 4, 1)), excluded, "64 bits"},
		"memory of 5 GiB":         {module(code(5, 1, 0, uleb(80000))), malformed, "beyond 32 bits"},
		"memory upside down":      {module(code(5, 1, 1, 3, 2)), malformed, "at least 3 and at most 2"},
		"extended constant":       {module(code(6, 1, i32, 0, 0x41, 1, 0x41, 1, 0x6A, 0x0B)), excluded, "extended constants"},
		"global of a function":    {module(code(6, 1, i32, 0, 0xD2, 0, 0x0B)), excluded, "0xd2"},
		"global of its own":       {module(code(6, 1, i32, 0, 0x23, 0, 0x0B)), malformed, "no imported global 0"},
		"mutability 2":            {module(code(6, 1, i32, 2, 0x41, 0, 0x0B)), malformed, "neither constant nor mutable"},
		"export of the fuel":      {module(code(7, 1, 1, 'f', 3, 0)), malformed, "no global 0"},
		"export of no function":   {module(code(7, 1, 1, 'f', 0, 0)), malformed, "no function 0"},
		"start of no function":    {module(code(8, 0)), malformed, "no function 0"},
		"elements without table":  {module(code(9, 1, 0, 0x41, 0, 0x0B, 0)), malformed, "the module has none"},
		"elements of expressions": {module(code(9, 1, 5, 0x70, 0)), excluded, "expressions"},
		"data without memory":     {module(code(11, 1, 0, 0x41, 0, 0x0B, 0)), malformed, "the module has none"},
		"data of another count":   {module(code(12, 2), code(11, 1, 1, 0)), malformed, "announces 2 data segments and has 1"},
		"data beyond the section": {module(code(11, 1, 1, 100)), malformed, "100 bytes are announced"},
		"body without end":        {function(0x01), malformed, "ends too early"},
		"body after its end":      {function(get(0), 0x0B, 0x01), malformed, "1 bytes after its end"},
		"open block":              {function(0x02, empty, get(0), 0x0B), malformed, "ends too early"},
		"else without if":         {function(0x05, 0x0B), malformed, "else without if"},
		"label":                   {function(0x0C, 1, 0x0B), malformed, "no label 1"},
		"label of a table":        {function(get(0), 0x0E, 1, 0, 2, 0x0B), malformed, "no label 2"},
		"table announced":         {function(get(0), 0x0E, uleb(1<<20), 0x0B), limit, "br_table"},
		"local of metering":       {function(get(1), 0x0B), malformed, "no local 1: the module has 1"},
		"global of metering":      {function(0x23, 2, 0x0B), malformed, "no global 2: the module has 2"},
		"constant set":            {function(const64(1), 0x24, 1, 0x0B), malformed, "constant and is set"},
		"function":                {function(call(1), 0x0B), malformed, "no function 1"},
		"indirect type":           {function(get(0), 0x11, 1, 0, 0x0B), malformed, "no type 1"},
		"indirect table":          {function(get(0), get(0), 0x11, 0, 1, 0x0B), malformed, "no table 1"},
		"block of a type":         {function(0x02, 0, 0x0B, 0x0B), excluded, "type by index"},
		"block type in two bytes": {function(0x02, 0xC0, 0x7F, 0x0B, 0x0B), excluded, "type by index"},
		"constant too long":       {function(0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x0B), malformed, "signed number"},
		"constant too large":      {function(0x41, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 0x0B), malformed, "signed number"},
		"tail call":               {function(get(0), 0x12, 0, 0x0B), excluded, "tail calls"},
		"try":                     {function(0x06, empty, 0x0B, 0x0B), excluded, "exceptions"},
		"atomic":                  {function(0xFE, 0, 0, 0, 0x0B), excluded, "threads"},
		"SIMD":                    {function(0xFD, 12, 0x0B), excluded, "SIMD"},
		"struct.new":              {function(0xFB, 0, 0, 0x0B), excluded, "garbage collection"},
		"ref.func":                {function(0xD2, 0, 0x0B), excluded, "reference types"},
		"table.get":               {function(0x25, 0, 0x0B), excluded, "reference types"},
		"table.grow":              {function(0xFC, 15, 0, 0x0B), excluded, "reference types"},
		"select with a type":      {function(0x1C, 1, i32, 0x0B), excluded, "reference types"},
		"no instruction":          {function(0xFF, 0x0B), malformed, "no instruction 0xff"},
		"no prefixed instruction": {function(0xFC, 99, 0x0B), malformed, "no instruction 0xfc 99"},
		"prefix in two bytes":     {function(0xFC, 0x8A, 0, 0, 0, 0x0B), malformed, "no instruction 0xfc"},
		"memory 1":                {function(0x3F, 1, 0x0B), excluded, "memory other than 0"},
		"memory.init uncounted":   {function(get(0), get(0), get(0), 0xFC, 8, 0, 0, 0x0B), malformed, "no data segment 0"},
		"locals":                  {module(void, code(3, 1, 0), code(10, 1, 8, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, i32, 0x0B)), limit, "4294967295 locals and may have 1000"},
		"nesting":                 {(&program{fns: []fn{{code: code(repeat(2000, 0x02, empty), repeat(2000, 0x0B))}}}).bytes(), limit, "deeper than 1500"},
		"large body":              {(&program{fns: []fn{{code: repeat(100_000, 0x01)}}}).bytes(), limit, "a body has 100002 bytes and may have 98304"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := meter.Parse(c.module, meter.Limits{})
			if !errors.Is(err, kinds[c.kind]) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s: %q", err, c.kind, c.want)
			}
		})
	}
}

// An error names the function and where it is.
func TestErrorNamesThePlace(t *testing.T) {
	b := function(get(0), 0x12, 0, 0x0B)
	_, err := meter.Parse(b, meter.Limits{})
	var e *meter.Error
	if !errors.As(err, &e) || e.Func != 0 || b[e.Offset] != 0x12 {
		t.Errorf("%+v", e)
	}
	if want := fmt.Sprintf("(function 0, offset %#x)", e.Offset); !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

// What parsing takes is bounded by what it is given.
func TestAllocation(t *testing.T) {
	p := &program{}
	for range 10_000 {
		p.fns = append(p.fns, fn{})
	}
	for name, b := range map[string][]byte{
		"functions": p.bytes(),
		"customs":   module(bytes.Split(bytes.Repeat([]byte{0, 0, 'x'}, 50_000), []byte("x"))[:50_000]...),
		"types":     module(code(1, uleb(10_000), bytes.Repeat([]byte{0x60, 0, 0}, 10_000))),
		"announced": module(code(1, uleb(10_000)), make([]byte, 20)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		meter.Parse(b, meter.Limits{})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 200*uint64(len(b))+16<<10 {
			t.Errorf("%s: %d bytes for %d", name, took, len(b))
		}
	}
}

func FuzzParse(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(randomProgram(seed).bytes())
	}
	f.Add(function(get(0), 0x0B))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := meter.Parse(b, meter.Limits{})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		if !bytes.Equal(m.Bytes(), b) {
			t.Error("it does not come back as it was")
		}
	})
}
