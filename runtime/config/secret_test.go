package config

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Whatever prints a Config, or a part of it, shows no key.
func TestSecretsDoNotPrint(t *testing.T) {
	c, _ := full(t)
	c.Admin.Token = NewSecret([]byte("token-0123456789abcdef"))
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, v := range []any{c, *c, c.Networks, c.Streams, c.Admin, c.Admin.Token, &c.Admin.Token, []any{c.Admin.Token}} {
			fmt.Fprintf(&out, verb, v)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "keys", c.Networks, "stream", c.Streams[0])
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "keys", c.Networks, "token", c.Admin.Token)
	for _, s := range []Secret{c.Networks[0].Keys[0].Key, c.Streams[0].Key, c.Streams[1].Key, c.Admin.Token} {
		for _, form := range forms(s.Bytes()) {
			if strings.Contains(out.String(), form) {
				t.Errorf("prints a key as %s", form)
			}
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("prints nothing in place of a key")
	}
}

// forms are texts that bytes would print as.
func forms(b []byte) []string {
	list := []string{
		string(b), fmt.Sprint(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), fmt.Sprintf("%#v", b), fmt.Sprintf("%q", b),
	}
	j, _ := json.Marshal(b)
	return append(list, string(j))
}

func TestSecretCopies(t *testing.T) {
	b := []byte{1, 2, 3}
	s := NewSecret(b)
	b[0] = 9
	s.Bytes()[1] = 9
	if !s.Equal(NewSecret([]byte{1, 2, 3})) || s.Len() != 3 || s.Equal(Secret{}) || (Secret{}).Bytes() != nil {
		t.Errorf("%v", s.bytes)
	}
}

// A key that stands in the wrong place, or without quotes, is in no sentence.
func TestMistakesShowNoKey(t *testing.T) {
	const key = "2b7e151628aed2a6abf7158809cf4f3c"
	for _, text := range []string{
		"[node]\nname = \"" + key + key + "\"\nid = \"" + key + "\"\n",
		"[node]\nname = \"gw\"\n[[network_keys]]\nid = 0\nkey = " + key + "\n",
		"[node]\nname = \"gw\"\n[[network_keys]]\nid = 0\nkey = \"" + key + "zz\"\n",
		"[node]\nname = \"gw\"\n[[network_keys]]\nid = 0\nkey = 17151628\n",
		"[node]\nname = \"gw\"\n[[network_keys]]\nid = 0\n" + key + " = 1\n",
		head + "[[streams]]\nuri = \"a\"\ndecoder = \"" + key + "\"\nencryption = \"" + key + "\"\n",
		head + "[[streams]]\nname = \"" + key + "\"\n",
		head + "[[network_keys]]\nid = 1\nkey_file = \"" + key + "\"\n",
	} {
		_, err := loadText(t, text)
		if err == nil || strings.Contains(err.Error(), key[:12]) || strings.Contains(err.Error(), "17151628") {
			t.Errorf("%s\n%v", text, err)
		}
	}
}
