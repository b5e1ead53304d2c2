package guest

import (
	"unsafe"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// together decides on a batch as it stands in the input, whose first event is laid out as here: so are the others, and what is not is damaged. It gives
// how many items it did. Like process it makes few calls and takes few turns, and it copies an event word by word, because to copy memory is a call
// in wasm.
func (p *strategyPlugin) together(n int) uint32 {
	in, out := unsafe.Pointer(&p.event.size), unsafe.Pointer(&p.out)
	e, do := &p.read, &p.commands
	to := (*[abi.EventFixed / 8]uint64)(unsafe.Pointer(&e.size))
	for i := range n {
		progressWord[0] = uint64(i)
		item := (*[abi.EventFixed / 8]uint64)(in)
		first, hops, last := item[0], item[abi.EventHopSize/8], item[abi.EventPrefix/8]
		to[0], to[1], to[2], to[3], to[4], to[5], to[6], to[7], to[8] = first, item[1], item[2], item[3], hops, item[5], item[6], item[7], last
		size, count, shares := first&0xFFFFFFFF, hops>>16&0xFFFF, last>>16&0xFFFF
		if (first>>48^abi.EventFixed)|(hops&0xFFFF^abi.HopSize)|(size^(abi.EventFixed+abi.HopSize*count))|(abi.MaxHops-count)>>63|(uint64(i)-shares)>>63 != 0 {
			return uint32(i)
		}
		e.Hops = (*[abi.MaxHops]Hop)(unsafe.Add(in, abi.EventFixed))[:count]
		e.Route, e.Pending, e.Up = nil, nil, false
		if facts := last >> 8 & 0xFF; facts != 0 {
			e.Up = facts&abi.FactUp != 0
			if facts&abi.FactRoute != 0 {
				e.Route = (*[abi.ScratchRoute]byte)(unsafe.Add(unsafe.Pointer(&p.kept), shares*abi.ScratchSize))[:]
			}
			if facts&abi.FactPending != 0 {
				e.Pending = (*[abi.ScratchPending]byte)(unsafe.Add(unsafe.Pointer(&p.kept), i*abi.ScratchSize+abi.ScratchRoute))[:]
			}
		}
		do.n, do.reuse, do.out = 0, 0, (*commandRoom)(unsafe.Add(out, abi.OutHead))
		p.strategy.Decide(e, do)
		commands := uint64(do.n)
		answer := (*[abi.OutHead / 8]uint64)(out)
		answer[0], answer[1], answer[2] = abi.OutHead+commands*abi.CommandSize|commands<<48, do.reuse, 0
		in, out = unsafe.Add(in, size), unsafe.Add(out, abi.OutHead+commands*abi.CommandSize)
	}
	return uint32(n)
}

// batch works on items of any kind.
func (p *strategyPlugin) batch(n uint32) uint32 {
	in, out := p.regions()
	state, e := p.state(), &p.read
	for i := range int(n) {
		progressWord[0] = uint64(i)
		item := itemAt(in)
		if item == nil || len(out) < abi.OutHead+abi.MaxCommands*abi.CommandSize {
			return uint32(i)
		}
		in = in[len(item):]
		if len(item) < abi.EventFixed {
			out = p.other(item, state, out)
			continue
		}
		e.readFixed(item[:abi.EventFixed])
		e.Up = e.facts&abi.FactUp != 0
		fixed, hopSize, hops, shares := int(e.fixed), int(e.hopSize), int(e.hopCount), int(e.shares)
		if hops > abi.MaxHops || hopSize < abi.HopSize || fixed < abi.EventFixed || fixed+hops*hopSize > len(item) || shares > i {
			head(out, abi.OutHead, abi.StatusFailed, 0)
			out = out[abi.OutHead:]
			continue
		}
		if len(state) > 0 {
			if len(state) < (i+1)*abi.ScratchSize {
				return uint32(i)
			}
			e.Route, e.Pending = blocksIn(state, i, e.facts, shares)
		}
		if e.Hops = hopsIn(item, fixed, hopSize, hops); e.Hops == nil && hops > 0 {
			p.copyHops(item[fixed:], hopSize, hops)
		}
		e.tidy()
		p.commands = Commands{out: (*commandRoom)(unsafe.Pointer(&out[abi.OutHead]))}
		p.strategy.Decide(e, &p.commands)
		size := abi.OutHead + p.commands.n*abi.CommandSize
		head(out, size, abi.StatusOK, p.commands.n)
		put64(out, abi.OutReuse, p.commands.reuse)
		out = out[size:]
	}
	return n
}

// other does with an item what is no event: a block that is to be converted.
func (p *strategyPlugin) other(item, state, out []byte) []byte {
	status := abi.StatusFailed
	if p.migrate(item, state) {
		status = abi.StatusOK
	}
	head(out, abi.OutHead, status, 0)
	return out[abi.OutHead:]
}

// copyHops reads next hops that are larger than here, or natively.
func (p *strategyPlugin) copyHops(b []byte, size, n int) {
	for i := range n {
		h := b[i*size:]
		p.hops[i] = Hop{
			Face: get32(h, abi.HopFace), Cost: get16(h, abi.HopCost), State: get16(h, abi.HopState), RTT: get32(h, abi.HopRTT),
			Var: get32(h, abi.HopVar), Silent: get32(h, abi.HopSilent), Loss: get16(h, abi.HopLoss), Queue: get16(h, abi.HopQueue),
		}
	}
	p.read.Hops = p.hops[:n]
}
