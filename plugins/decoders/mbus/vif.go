package main

import (
	"math"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// row is what a row of codes stands for: raw × 10^exponent / divide. The low bits of a code count into the exponent.
type row struct {
	code     byte // without the extension bit
	bits     byte // how many low bits count
	name     string
	unit     string
	divide   float64
	exponent int
	measure  uint8
}

const (
	perMinute = 60
	perHour   = 3600
	timed     = -1 // in place of divide: the low bits say seconds, minutes, hours or days
	dated     = -2 // in place of divide: a date or a time
	bar       = 5  // the exponent that makes Pa of bar
)

// quantity is what a code stands for: raw × times × 10^exponent / divide.
type quantity struct {
	name, unit    string
	times, divide float64
	exponent      int
	date          bool
	measure       uint8
}

// of gives the quantity of a code of the row, by its low bits.
func (r *row) of(low byte) quantity {
	q := quantity{r.name, r.unit, 1, r.divide, r.exponent + int(low), r.divide == dated, r.measure}
	if r.divide == timed {
		q.times, q.exponent = [...]float64{1, 60, 3600, 86400}[low&3], 0
	}
	if r.divide < 0 {
		q.divide = 1
	}
	return q
}

// raw is the quantity of a number that is not scaled.
func raw(name string) quantity { return quantity{name: name, times: 1, divide: 1} }

// scaled gives the value of a raw number. It divides where it can: a product with 0.001 is not the nearest number.
func (q *quantity) scaled(n float64, exponent int) float64 {
	if e := q.exponent + exponent; e < 0 {
		return n * q.times / (math.Pow10(-e) * q.divide)
	} else {
		return n * q.times * math.Pow10(e) / q.divide
	}
}

// like is a value of the quantity, for the schema.
func (r *row) like() guest.Value {
	if r.divide == dated {
		return guest.Text(r.name, "")
	}
	v := guest.Number(r.name, 0, r.unit)
	return v.As(r.measure)
}

// primary are the codes of the primary table (EN 13757-3). Units are SenML's: m³/h and m³/min become m3/s, J/h W, bar Pa.
var primary = []row{
	{0x00, 3, "energy", "Wh", 1, -3, abi.Counter},
	{0x08, 3, "energy", "J", 1, 0, abi.Counter},
	{0x10, 3, "volume", "m3", 1, -6, abi.Counter},
	{0x18, 3, "mass", "kg", 1, -3, abi.Counter},
	{0x20, 2, "on_time", "s", timed, 0, abi.Counter},
	{0x24, 2, "operating_time", "s", timed, 0, abi.Counter},
	{0x28, 3, "power", "W", 1, -3, 0},
	{0x30, 3, "power", "W", perHour, 0, 0},
	{0x38, 3, "volume_flow", "m3/s", perHour, -6, 0},
	{0x40, 3, "volume_flow", "m3/s", perMinute, -7, 0},
	{0x48, 3, "volume_flow", "m3/s", 1, -9, 0},
	{0x50, 3, "mass_flow_kg_per_h", "", 1, -3, 0}, // SenML has no unit for it
	{0x58, 2, "temperature_flow", "Cel", 1, -3, 0},
	{0x5C, 2, "temperature_return", "Cel", 1, -3, 0},
	{0x60, 2, "temperature_difference", "K", 1, -3, 0},
	{0x64, 2, "temperature_external", "Cel", 1, -3, 0},
	{0x68, 2, "pressure", "Pa", 1, -3 + bar, 0},
	{0x6C, 0, "date", "", dated, 0, abi.State},
	{0x6D, 0, "time", "", dated, 0, abi.State},
	{0x6E, 0, "heat_cost", "", 1, 0, abi.Counter},
	{0x70, 2, "averaging_duration", "s", timed, 0, 0},
	{0x74, 2, "actuality_duration", "s", timed, 0, 0},
	{0x78, 0, "fabrication_number", "", 1, 0, abi.State},
	{0x79, 0, "enhanced_identification", "", 1, 0, abi.State},
	{0x7A, 0, "bus_address", "", 1, 0, abi.State},
}

// tableFD are codes after FD.
var tableFD = []row{
	{0x00, 2, "credit", "", 1, -3, 0},
	{0x04, 2, "debit", "", 1, -3, 0},
	{0x08, 0, "access_number_sent", "", 1, 0, abi.Counter},
	{0x09, 0, "medium_code", "", 1, 0, abi.State},
	{0x0A, 0, "manufacturer_code", "", 1, 0, abi.State},
	{0x0B, 0, "parameter_set", "", 1, 0, abi.State},
	{0x0C, 0, "model_version", "", 1, 0, abi.State},
	{0x0D, 0, "hardware_version", "", 1, 0, abi.State},
	{0x0E, 0, "firmware_version", "", 1, 0, abi.State},
	{0x0F, 0, "software_version", "", 1, 0, abi.State},
	{0x10, 0, "customer_location", "", 1, 0, abi.State},
	{0x11, 0, "customer", "", 1, 0, abi.State},
	{0x17, 0, "error_flags", "", 1, 0, abi.State},
	{0x18, 0, "error_mask", "", 1, 0, abi.State},
	{0x1A, 0, "digital_output", "", 1, 0, abi.State},
	{0x1B, 0, "digital_input", "", 1, 0, abi.State},
	{0x1C, 0, "baud_rate", "bit/s", 1, 0, abi.State},
	{0x24, 2, "storage_interval", "s", timed, 0, 0},
	{0x2C, 2, "duration_since_readout", "s", timed, 0, 0},
	{0x3A, 0, "dimensionless", "", 1, 0, 0},
	{0x40, 4, "voltage", "V", 1, -9, 0},
	{0x50, 4, "current", "A", 1, -12, 0},
	{0x60, 0, "reset_counter", "", 1, 0, abi.Counter},
	{0x61, 0, "cumulation_counter", "", 1, 0, abi.Counter},
	{0x63, 0, "day_of_week", "", 1, 0, abi.State},
	{0x64, 0, "week_number", "", 1, 0, abi.State},
}

// tableFB are codes after FB.
var tableFB = []row{
	{0x00, 1, "energy", "Wh", 1, -1 + 6, abi.Counter},
	{0x08, 1, "energy", "J", 1, -1 + 9, abi.Counter},
	{0x10, 1, "volume", "m3", 1, 2, abi.Counter},
	{0x18, 1, "mass", "kg", 1, 2 + 3, abi.Counter},
	{0x28, 1, "power", "W", 1, -1 + 6, 0},
	{0x30, 1, "power", "W", perHour, -1 + 9, 0},
}

// quantity finds what a block is of. known is false for a code that is not in the tables: then its name is the code.
func (k *block) quantity() (q quantity, known bool) {
	table, name := primary, "vif_"
	switch k.table {
	case 0xFD:
		table, name = tableFD, "vif_fd"
	case 0xFB:
		table, name = tableFB, "vif_fb"
	}
	for i := range table {
		r := &table[i]
		if low := byte(1)<<r.bits - 1; k.vif&^low == r.code {
			return r.of(k.vif & low), true
		}
	}
	if k.table == 0 && k.vif == plainText {
		return raw("unit_" + plain(k.text)), true
	}
	return raw(name + hexText(k.vif)), false
}

// plain makes a name of a unit that stands in the payload as a text.
func plain(unit string) string {
	b := []byte(unit)
	for i, c := range b {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			b[i] = '_'
		}
	}
	return string(b)
}
