package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// addressKind says what an address is for.
type addressKind struct {
	listen bool   // port 0 lets the system choose, and the host may be left out: all of the machine's addresses
	port   uint16 // what a text without a port has; 0: it must have one
}

// parseAddress reads host:port and gives it in one form. It looks no name up.
func parseAddress(text string, kind addressKind) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil && kind.port != 0 {
		host, port, err = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), strconv.Itoa(int(kind.port)), nil
	}
	ip, notIP := netip.ParseAddr(host)
	if err != nil || host != "" && notIP != nil && !isHost(host) || text == "" {
		example := max(kind.port, 1024)
		return "", fmt.Errorf(`%q is not an address: write host:port, such as "127.0.0.1:%d" or "[::1]:%d"`, text, example, example)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 && !kind.listen {
		return "", fmt.Errorf("%q has the port %s: write one of 1 to 65535", text, port)
	}
	if !kind.listen && (host == "" || ip.IsUnspecified()) {
		return "", fmt.Errorf(`%q stands for all addresses of this machine: write the peer's, such as "192.0.2.1:%d"`, text, n)
	}
	if notIP == nil {
		host = ip.String()
	}
	return net.JoinHostPort(strings.ToLower(host), strconv.FormatUint(n, 10)), nil
}

// isHost tells whether text has the form of a host's name.
func isHost(text string) bool {
	if text == "" || len(text) > 253 || text[0] == '-' || text[0] == '.' {
		return false
	}
	for _, c := range []byte(text) {
		if !isLetterOrDigit(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

func isLetterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// clash tells whether two addresses that parseAddress gave cannot both be listened on. 0.0.0.0 stands for all of the machine's
// IPv4 addresses, [::] for those of IPv6, no host for both. Of sockets in files it is the path.
func clash(a, b string) bool {
	if a == b || filepath.IsAbs(a) || filepath.IsAbs(b) { // paths of sockets
		return a == b && !strings.HasSuffix(a, ":0")
	}
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	if portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || covers(hostA, hostB) || covers(hostB, hostA) || local(hostA) && local(hostB)
}

// covers tells whether listening on all addresses that a stands for takes b's.
func covers(a, b string) bool {
	ip, err := netip.ParseAddr(b)
	v4 := err != nil || ip.Is4() // a name is most probably one of IPv4
	return a == "" || a == "0.0.0.0" && v4 || a == "::" && !v4
}

func local(host string) bool { return host == "localhost" || host == "127.0.0.1" }
