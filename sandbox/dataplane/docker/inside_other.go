//go:build !linux

package docker

import (
	"context"
	"errors"
	"net"
	"syscall"
)

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

func dialInside(context.Context, int, int) (net.Conn, error) {
	return nil, errors.New("the task's network cannot be reached from this machine")
}
