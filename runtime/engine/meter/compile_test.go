//go:build unix

package meter_test

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/zmesh/zmesh/runtime/engine/meter"
)

// bomb is a body that takes long to compile for its size, of about n bytes.
type bomb struct {
	name string
	make func(n int) *program
}

func single(params, locals, c []byte) *program {
	return &program{imports: []imported{{name: "nop"}}, pages: []uint32{1}, globals: []byte{i32, i64}, fns: []fn{{name: "f", params: params, results: []byte{i32}, locals: locals, code: c}}}
}

func bombs() []bomb {
	one := []byte{i32}
	return []bomb{
		{"arithmetic", func(n int) *program {
			return single(one, nil, code(get(0), repeat(n/4, get(0), 0x6C, 0x45)))
		}},
		{"live values", func(n int) *program { // all of them on the stack at once
			return single(one, nil, code(repeat(n/3, get(0), 0x68), repeat(n/3-1, 0x6A)))
		}},
		{"stores", func(n int) *program {
			return single(one, nil, code(repeat(n/7, get(0), get(0), mem(0x36, 4)), get(0)))
		}},
		{"blocks in a row", func(n int) *program {
			return single(one, nil, code(repeat(n/8, 0x02, empty, get(0), 0x0D, 0, 0x0B), get(0)))
		}},
		{"nested blocks", func(n int) *program {
			return single(one, nil, code(repeat(n/7, 0x02, empty), repeat(n/7, get(0), 0x0D, 0, 0x0B), get(0)))
		}},
		{"nested loops", func(n int) *program {
			return single(one, nil, code(repeat(n/7, 0x03, empty), repeat(n/7, get(0), 0x0D, 0, 0x0B), get(0)))
		}},
		{"loops in a row", func(n int) *program {
			return single(one, nil, code(repeat(n/8, 0x03, empty, get(0), 0x0D, 0, 0x0B), get(0)))
		}},
		{"ifs that set locals", func(n int) *program {
			c := []byte{}
			for k := range n / 16 {
				c = code(c, get(0), 0x04, empty, get(k%20), const32(k&63), 0x6A, set((k+7)%20), 0x0B)
			}
			return single(one, bytes.Repeat(one, 20), code(c, get(3)))
		}},
		{"loops with many locals", func(n int) *program { // a value for each local at each beginning
			locals, c := 100, []byte{}
			for k := range n / 16 {
				c = code(c, 0x03, empty, get(k%locals), const32(1), 0x6A, tee((k*7+1)%locals), 0x0D, 0, 0x0B)
			}
			for k := range locals {
				c = code(c, get(k), 0x1A)
			}
			return single(one, bytes.Repeat(one, locals), code(c, get(3)))
		}},
		{"br_table", func(n int) *program {
			return single(one, nil, code(0x02, empty, 0x02, empty, get(0), 0x0E, uleb(uint64(n)), bytes.Repeat([]byte{0, 1}, n/2), make([]byte, n%2), 0, 0x0B, 0x0B, get(0)))
		}},
		{"many br_table to many blocks", func(n int) *program {
			targets := 64
			table := code(get(0), 0x0E, targets-1)
			for k := range targets {
				table = append(table, byte(k))
			}
			one := code(repeat(targets, 0x02, empty), table, repeat(targets, 0x0B))
			return single([]byte{i32}, nil, code(bytes.Repeat(one, n/len(one)), get(0)))
		}},
		{"calls", func(n int) *program {
			return single(one, nil, code(get(0), repeat(n/2, call(1))))
		}},
		{"calls with globals", func(n int) *program {
			p := single(one, nil, code(get(0), repeat(n/2, call(1))))
			p.globals = bytes.Repeat([]byte{i64}, 100)
			return p
		}},
		{"branches out of one block", func(n int) *program {
			return single(one, nil, code(0x02, empty, repeat(n/4, get(0), 0x0D, 0), 0x0B, get(0)))
		}},
		{"branches to the function", func(n int) *program {
			return single(one, nil, code(repeat(n/6, get(0), get(0), 0x0D, 0, 0x1A), get(0)))
		}},
		{"nested ifs", func(n int) *program {
			return single(one, nil, code(repeat(n/8, get(0), 0x04, empty), repeat(n/8, 0x05, const32(1), set(0), 0x0B), get(0)))
		}},
		{"growth", func(n int) *program {
			return single(one, nil, code(get(0), repeat(n/2, 0x40, 0)))
		}},
	}
}

// processorTime is what this process has used: it does not count what others do on the machine.
func processorTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano())
}

// BenchmarkCompile is what wazero takes for one body, metered, by shape and size in bytes. [meter.Limits] are chosen by it.
func BenchmarkCompile(b *testing.B) {
	for _, bomb := range bombs() {
		for _, n := range []int{4 << 10, 16 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", bomb.name, n), func(b *testing.B) {
				for b.Loop() {
					raw := bomb.make(n).bytes()
					m, report, err := meter.Meter(raw, meter.Options{FuelExport: fuelName, Refill: "host.nop"})
					if err != nil {
						b.Skip(err)
					}
					start := processorTime()
					r := wazero.NewRuntimeWithConfig(b.Context(), wazero.NewRuntimeConfig().WithCoreFeatures(features))
					if _, err := r.CompileModule(b.Context(), m); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64((processorTime()-start).Microseconds())/1000, "ms")
					r.Close(b.Context())
					b.ReportMetric(float64(report.Effort)/1000, "estimated-ms")
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
