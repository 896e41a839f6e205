package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"roost/control"
)

// controlNeedsToken says whether the control API listens where others may connect.
func (s *settings) controlNeedsToken() bool {
	return s.control != "" && !strings.HasPrefix(s.control, "unix://")
}

// openControl serves the control API where it is asked for, and returns the lines that
// tell of it.
func (s *settings) openControl(service *service) (lines string, err error) {
	if s.control == "" {
		return "", nil
	}
	var token string
	if s.controlNeedsToken() {
		if token, lines, err = s.readToken(); err != nil {
			return "", err
		}
	}
	l, err := control.Listen(s.control)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.source("control"), err)
	}
	service.openControl(l, token)
	return "control API on " + control.Listener{Listener: l}.URL() + "\n" + lines, nil
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
	token, err = tokenIn(file)
	switch {
	case err == nil:
		return token, "control token in " + file + "\n", nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("%s: %w", source, err)
	}
	token = control.NewToken()
	if err := keepToken(file, token); err != nil {
		return "", "", fmt.Errorf("%s: %w", source, err)
	}
	return token, "control token " + token + ", made and kept in " + file + "\n", nil
}

// minToken is how many characters a token has at least.
const minToken = 16

func tokenIn(file string) (string, error) {
	b, err := os.ReadFile(file)
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

// keepToken writes a new file that only the user can read.
func keepToken(file, token string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(token + "\n")
	return errors.Join(err, f.Close())
}
