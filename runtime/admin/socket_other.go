//go:build !unix

package admin

import "net"

// listenPrivate makes a unix socket; its folder's rights keep others out.
func listenPrivate(path string) (net.Listener, error) { return net.Listen("unix", path) }
