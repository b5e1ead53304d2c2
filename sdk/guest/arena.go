package guest

import (
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Sizes of the regions that both kinds have.
const (
	configSize  = 16 << 10
	messageSize = 512
)

// plugin is one of the kinds, seen from the exports: it works on regions, natively as well as in wasm.
type plugin interface {
	regions() (input, output []byte)
	configure(Values) error
	// item works on one item of the input and writes one of the output. It gives the size of what it wrote.
	item(in, out []byte) int
}

// served is the plugin of this module. A module has one, so it may be a variable.
var served plugin

// The regions that the host writes to before it knows the kind, 8-aligned by their type.
var (
	arenaWords   [abi.ArenaSize / 8]uint64
	configWords  [configSize / 8]uint64
	messageWords [messageSize / 8]uint64
	progressWord [1]uint64
)

// configure reads the configuration that stands in its region. It gives 0, or how many bytes of text in the message region say
// why not.
func configure(p plugin, config, message []byte) uint32 {
	values, err := abi.ReadValues(config)
	if err == nil {
		err = p.configure(Values{values})
	}
	if err == nil {
		return 0
	}
	text := err.Error()
	if text == "" {
		text = "it gives no reason"
	}
	return uint32(copy(message, text))
}

// process works on n items of the input region. It gives how many it did, which is n unless the input is damaged.
func process(p plugin, n uint32, progress []byte) uint32 {
	in, out := p.regions()
	for i := range n {
		put32(progress, 0, i)
		if len(in) < 8 || len(out) < abi.OutHead {
			return i
		}
		size := get32(in, 0)
		if size < 8 || size > uint32(len(in)) {
			return i
		}
		wrote := p.item(in[:size], out)
		in, out = in[size:], out[wrote:]
	}
	return n
}

// head writes the head of an output item.
func head(out []byte, size, status, count int) {
	put32(out, abi.OutSize, uint32(size))
	put16(out, abi.OutStatus, uint16(status))
	put16(out, abi.OutCount, uint16(count))
	put64(out, abi.OutDetails, 0)
	put64(out, abi.OutDetails+8, 0)
}
