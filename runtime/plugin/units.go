package plugin

import (
	"slices"
	"strings"
)

// units are those of the SenML registry that a record may have: RFC 8428, section 12.1, and RFC 8798, sections 2 and 3, and what was
// registered after them. Held against two copies of the registry that agree on the RFCs' units: sys/include/senml.h of RIOT-OS (commit
// 23607e80), which has NTU and the last line as well, and the type Unit of Microsoft's jacdac. Units that the registry does not
// recommend are taken too: devices send them.
var units = set(`m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2 cd/m2
 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m
 B VA VAs var vars J/m kg/m3 deg NTU
 ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3 mm/h m/h ppm /100 /1000 hPa mm cm km km/h
 ppb ppt VAh mg/l ug/l g/l`)

// quantities are names whose unit is checked: it must be one of these. A name that is a quantity with a suffix, like
// temperature_outside, is checked as well. Other names may have any unit of the registry.
var quantities = map[string][]string{
	"temperature":  {"Cel", "K"},
	"humidity":     {"%RH"},
	"battery":      {"%EL", "V", "mV"},
	"pressure":     {"Pa", "hPa"},
	"illuminance":  {"lx"},
	"voltage":      {"V", "mV"},
	"current":      {"A", "mA"},
	"power":        {"W", "kW"},
	"energy":       {"J", "Wh", "kWh"},
	"frequency":    {"Hz", "MHz"},
	"distance":     {"m", "mm", "cm", "km"},
	"altitude":     {"m"},
	"latitude":     {"lat"},
	"longitude":    {"lon"},
	"acceleration": {"m/s2"},
	"co2":          {"ppm"},
	"ph":           {"pH"},
}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// checkUnit tells why a record of that name may not have that unit; empty if it may.
func checkUnit(name, unit string) string {
	if unit != "" && !units[unit] {
		return "unit " + quote(unit) + " is not in the SenML registry"
	}
	allowed, ok := quantities[name]
	if word, _, more := strings.Cut(name, "_"); !ok && more {
		allowed, ok = quantities[word]
	}
	if ok && !slices.Contains(allowed, unit) {
		return "unit " + quote(unit) + " does not fit the quantity, want " + strings.Join(allowed, " or ")
	}
	return ""
}
