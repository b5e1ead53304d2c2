package meter_test

import "github.com/zmesh/zmesh/sdk/guest/abi"

// Where a hand-made strategy has its regions.
const (
	inputAt   = 4096
	scratchAt = 1024
	outputAt  = 32768
)

// weighing is a strategy such as clang makes of a page of C: for each event, for each next hop that was not tried, its cost is
// weighed with the smoothed RTT and the losses in the scratch block, which are brought up to date; the best is sent to. The weighing
// stands in the loop (0), in a function (1), or in one that is called through the table (2).
func weighing(how int) *program {
	weigh := func(h, s, r int) []byte { // of the hop in local h, to local s, with local r
		scratch := func(op byte, offset int) []byte { return mem(op, scratchAt+offset) }
		index := code(get(h), 0x2F, 0, 0, const32(7), 0x71, const32(12), 0x6C) // (face & 7) * 12
		return code(
			index, tee(s), scratch(0x28, 0), set(r), // r = rtt
			get(s), get(r), get(r), const32(3), 0x76, 0x6B, get(h), mem(0x2F, 4), const32(5), 0x74, 0x6A, scratch(0x36, 0), // rtt += cost<<5 - rtt>>3
			get(s), get(s), scratch(0x28, 4), const32(1), 0x6A, const32(1023), 0x71, scratch(0x36, 4), // count++
			get(h), mem(0x2F, 4), const32(8), 0x74, get(r), const32(4), 0x76, 0x6A, // cost<<8 + rtt>>4
			get(s), scratch(0x28, 8), const32(100), 0x6C, 0x6A, set(s), // + loss*100
		)
	}
	p := &program{pages: []uint32{1}}
	process := fn{name: "process", params: []byte{i32}, results: []byte{i32}, locals: []byte{i32, i32, i32, i32, i32, i32, i32, i32}}
	const n, event, h, left, best, face, s, r, out = 0, 1, 2, 3, 4, 5, 6, 7, 8
	var inner []byte
	switch how {
	case 0:
		inner = weigh(h, s, r)
	case 1:
		inner = code(get(h), call(1), set(s))
	case 2:
		inner = code(get(h), const32(0), 0x11, 0, 0, set(s))
	}
	process.code = code(
		const32(inputAt), set(event), const32(outputAt), set(out),
		0x03, empty, // for each event
		const32(-1), set(best), const32(0), set(face),
		get(event), const32(abi.EventFixed), 0x6A, set(h),
		get(event), mem(0x2F, abi.EventHopCount), set(left),
		0x02, empty, get(left), 0x45, 0x0D, 0,
		0x03, empty, // for each hop
		0x02, empty,
		get(h), mem(0x2F, abi.HopState), const32(abi.HopInFace), 0x71, 0x0D, 0,
		inner,
		get(s), get(best), 0x4F, 0x0D, 0, // if score >= best
		get(s), set(best), get(h), mem(0x28, 0), set(face),
		0x0B,
		get(h), const32(abi.HopSize), 0x6A, set(h),
		get(left), const32(1), 0x6B, tee(left), 0x0D, 0,
		0x0B,
		0x0B,
		get(out), const32(40), mem(0x36, 0), get(out), const32(1), mem(0x3B, 6), // head
		get(out), const64(0), mem(0x37, 24), get(out), get(face), mem(0x36, 28),
		get(event), get(event), mem(0x28, 0), 0x6A, set(event),
		get(out), const32(40), 0x6A, set(out),
		get(n), const32(1), 0x6B, tee(n), 0x0D, 0,
		0x0B,
		const32(batch),
	)
	p.fns = append(p.fns, process)
	if how > 0 {
		p.fns = append(p.fns, fn{params: []byte{i32}, results: []byte{i32}, locals: []byte{i32, i32}, code: code(weigh(0, 1, 2), get(1))})
		p.table = []int{1}
	}
	return p
}
