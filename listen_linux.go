package roost

import "syscall"

// privateSocket gives a Unix socket the mode 0600 before it is bound, so that there is
// no moment in which others can connect (Linux makes the file with the socket's mode).
func privateSocket(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { syscall.Fchmod(int(fd), 0o600) })
}
