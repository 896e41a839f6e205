package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"roost/control"
)

// controlNeedsToken says whether the control API listens where others may connect.
func (s *settings) controlNeedsToken() bool {
	return s.control != "" && !strings.HasPrefix(s.control, "unix://")
}

// controlling is the control API that serve opens, before it serves there.
type controlling struct {
	net.Listener // nil where there is none
	token        string
	lines        string // that tell of it
}

// openControl opens the control API's listener, where one is asked for. Nobody is
// answered there before the server runs, whom a client might else start another one.
func (s *settings) openControl() (c controlling, err error) {
	if s.control == "" {
		return c, nil
	}
	if s.controlNeedsToken() {
		if c.token, c.lines, err = s.readToken(); err != nil {
			return c, err
		}
	}
	if c.Listener, err = control.Listen(s.control); err != nil {
		return c, fmt.Errorf("%s: %w", s.source("control"), err)
	}
	c.lines = "control API on " + control.URL("http", c.Addr()) + "\n" + c.lines
	return c, nil
}

// readToken returns the token of the control API, and the line that tells where it is,
// and what it is if it was made now.
func (s *settings) readToken() (token, line string, err error) {
	file, source := s.tokenFile, s.source("control-token-file")
	if file == "" {
		folder, err := os.UserConfigDir()
		if err != nil {
			return "", "", fmt.Errorf("%w; say with %s where the token of the control API is kept", err, source)
		}
		file = filepath.Join(folder, "roost", "control-token")
	}
	token, made, err := tokenIn(file)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("%s: %w", source, err)
	case made:
		return token, "control token " + token + ", made and kept in " + file + "\n", nil
	}
	return token, "control token in " + file + "\n", nil
}

// tokenIn returns the token in file, and makes one where there is no such file. When
// another process makes it at the same time, that one counts.
func tokenIn(file string) (token string, made bool, err error) {
	token, err = keptToken(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, false, err
	}
	token = control.NewToken()
	err = keepToken(file, token)
	if errors.Is(err, fs.ErrExist) {
		token, err = keptToken(file)
		return token, false, err
	}
	return token, true, err
}

// The bounds of a token, in characters, and of its file, in octets.
const (
	minToken     = 16
	maxTokenFile = 4 << 10
)

func keptToken(file string) (string, error) {
	f, err := openSecret(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	strange := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(token) < minToken || strings.ContainsFunc(token, strange) {
		return "", fmt.Errorf("%s holds no token: give one line of at least %d characters of ASCII without spaces, or remove the file for one to be made", file, minToken)
	}
	return token, nil
}

// keepToken makes a file that only the user can read, and that is whole from the moment
// it is there.
func keepToken(file, token string) error {
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, ".control-token-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), file)
}
