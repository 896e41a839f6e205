//go:build !linux

package roost

import (
	"context"
	"net"
)

const hasFastPlane = false

// fastPlane is there on Linux only.
type fastPlane struct{}

func (*fastPlane) prepare(*Server)             {}
func (*fastPlane) takes(net.Listener) bool     { return false }
func (*fastPlane) serve(net.Listener) error    { return nil }
func (*fastPlane) stopListening()              {}
func (*fastPlane) drain(context.Context) error { return nil }
func (*fastPlane) close()                      {}
