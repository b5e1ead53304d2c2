package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// needsDecoders skips where the binary was built without make.
func needsDecoders(t *testing.T) {
	t.Helper()
	if r := asShipped(t, "decode", "--plugin", "builtin:senml", "--describe"); r.code != exitDone {
		if strings.Contains(r.err, "run make") {
			t.Skip(r.err)
		}
		t.Fatal(r.err)
	}
}

// decode goes the way back, and says what there can be.
func TestDecodeBackAndDescribe(t *testing.T) {
	needsDecoders(t)
	const lpp = "builtin:cayenne-lpp"
	asShipped(t, "decode", "--plugin", lpp, "--encode", "temperature_3=27.2", "--encode", "humidity_3=50").good(t, "03670110036864\n")
	asShipped(t, "decode", "--plugin", lpp, "--hex", "03670110036864").good(t, "temperature_3 27.2 Cel\nhumidity_3 50 %RH\n")
	asShipped(t, "decode", "--plugin", lpp, "--encode", "temperature=27.2").bad(t, exitFailed, "wants a channel")
	asShipped(t, "decode", "--plugin", lpp, "--encode", "27.2").bad(t, exitUsage, "say which quantity it is", "more")
	asShipped(t, "decode", "--plugin", lpp, "--encode", "speed=3").bad(t, exitFailed, "does not encode speed (number); it encodes digital_input")
	asShipped(t, "decode", "--plugin", "builtin:milesight", "--encode", "temperature=3").bad(t, exitFailed, "does not encode", "in hex")
	asShipped(t, "decode", "--plugin", "builtin:senml", "--encode", "temperature=3").bad(t, exitFailed, "want Cel or K")
	asShipped(t, "decode", "--plugin", lpp).bad(t, exitUsage, "one of --hex")
	asShipped(t, "decode", "--plugin", lpp, "--hex", "00", "--describe").bad(t, exitUsage, "describe")
	asShipped(t, "decode", "--plugin", lpp, "--hex", "00", "--variables-json", "[]").bad(t, exitUsage, "--variables-json")
	asShipped(t, "decode", "--plugin", lpp, "--describe").good(t, "QUANTITY", "temperature", "Cel")

	var out struct{ Payload string }
	r := asShipped(t, "decode", "--plugin", "builtin:senml", "--config-json", `{"format":"cbor"}`, "--encode", "temperature=21.5 Cel", "--json")
	if err := json.Unmarshal([]byte(r.out), &out); err != nil || out.Payload != "81a3006b74656d7065726174757265016343656c02fa41ac0000" {
		t.Errorf("%q, %v", r.out, err)
	}
	asShipped(t, "decode", "--plugin", "builtin:senml", "--hex", out.Payload).good(t, "temperature 21.5 Cel\n")
	const key = `{"bindkey":"231d39c1d7cc1ab1aee224cd096db932","mac":"54:48:E6:8F:80:A5"}`
	asShipped(t, "decode", "--plugin", "builtin:bthome-v2", "--hex", "4187b90011223372b0231f", "--variables-json", key).good(t, "motion true\n")
	asShipped(t, "decode", "--plugin", "builtin:mbus", "--hex", "681b1b6808007212345678a3501001010000000167090a14604592101488131816").
		good(t, "volume 45.6 m3\nvolume.tariff1.maximum 50 m3\n")
}

func TestInspectShowsTheSchema(t *testing.T) {
	needsDecoders(t)
	asShipped(t, "plugin", "inspect", "builtin:cayenne-lpp").good(t, "QUANTITY", "temperature")
	var r struct {
		Name   string
		Schema []fieldLine
	}
	if err := json.Unmarshal([]byte(asShipped(t, "plugin", "inspect", "builtin:cayenne-lpp", "--json").out), &r); err != nil || r.Name != "cayenne-lpp" || len(r.Schema) < 20 {
		t.Errorf("%+v, %v", r, err)
	}
	if r := asShipped(t, "plugin", "inspect", "builtin:best-route"); strings.Contains(r.out, "QUANTITY") || r.code != exitDone {
		t.Errorf("%+v", r)
	}
}

// pub --value goes through the stream's decoder where there is one that encodes, and what comes back is decoded by it.
func TestPublishEncodes(t *testing.T) {
	needsDecoders(t)
	const room = "location/hq/floor/2/room/merkur/event/"
	stream := func(last, decoder, more string) string {
		return "[[streams]]\nuri = \"" + room + last + "\"\nencryption = \"none\"\ndecoder = \"" + decoder + "\"\n" + more
	}
	n := newNode(t, stream("temperature", "cayenne-lpp", "")+stream("any", "senml", "")+stream("mile", "milesight", "")+stream("first", "senml", "port = \"payload\"\n"))
	n.program = program(t) // of the commands: each starts a decoder
	n.do("pub", room+"temperature", "--value", "temperature_1=21.5", "--value", "humidity_1=40", "--confirm").good(t, "#1 durable\n")
	n.do("get", room+"temperature", "--decode").good(t, "temperature_1 21.5 Cel  humidity_1 40 %RH\n")
	n.do("get", room+"temperature", "--raw").good(t, "016700d7016850\n")
	n.do("pub", room+"temperature", "--value", "21.5").bad(t, exitFailed, "temperature wants a channel") // the quantity is that of the URI
	n.do("pub", room+"temperature", "--value", "temperature_1=4000").bad(t, exitFailed, "cayenne-lpp cannot encode this", "beyond")
	n.do("pub", room+"any", "--value", "temperature=21.5 Cel", "--value", "open=true", "--confirm").good(t, "#1 durable\n")
	n.do("get", room+"any").good(t, "temperature 21.5 Cel  open true\n")
	n.do("pub", room+"any", "--value", "21.5").bad(t, exitUsage, "say which quantity")
	n.do("pub", room+"mile", "--value", "21.5").bad(t, exitFailed, "does not encode")
	n.do("pub", room+"first", "--value", "x=1").bad(t, exitFailed, "has its port in the payload")
	n.do("pub", topic, "--value", "x=1").bad(t, exitUsage, "no number", "no decoder")
	n.do("pub", topic, "--value", "1", "--value", "2").bad(t, exitUsage, "wants a stream with a decoder")
	n.do("pub", topic, "--value", "22.5", "--confirm").good(t, "#1 durable\n") // the numbers of what failed were not used
	n.do("get", topic).good(t, "22.5\n")
}
