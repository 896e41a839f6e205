package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"roost"
	"roost/control"
	"roost/internal/negotiate"
)

// The parsers of the flags' values. Their errors follow the flag and the value, and
// say what to give instead.

const addrForms = `give "host:port", such as 127.0.0.1:8080, or "unix:///path"`

func parseAddr(s string) (string, error) {
	if path, ok := strings.CutPrefix(s, "unix://"); ok {
		if len(path) < 2 || path[0] != '/' {
			return "", errors.New(addrForms)
		}
		return s, nil
	}
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return "", errors.New(addrForms)
	}
	return s, nil
}

func parseControl(s string) (string, error) {
	if _, err := parseAddr(s); err != nil {
		return "", err
	}
	return s, control.CheckAddr(s)
}

func parseFile(s string) (string, error) {
	if s == "" {
		return "", errors.New("give the name of a file")
	}
	return s, nil
}

func parseFolder(s string) (string, error) {
	if s == "" {
		return "", errors.New("give the name of a folder")
	}
	return s, nil
}

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, errors.New("give a whole number, such as 100")
	}
	return n, nil
}

func parseBool(s string) (bool, error) {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, errors.New("give true or false")
	}
	return b, nil
}

// parseTime reads a time to live.
func parseTime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > roost.MaxTTL {
		return 0, errors.New("give a number with its unit, such as 90s, 10m or 24h, up to 876000h")
	}
	return d, nil
}

// parseSize reads octets, or a number with a binary unit.
func parseSize(s string) (int64, error) {
	number, unit := s, int64(1)
	for i, name := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(s, name); ok {
			number, unit = rest, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, errors.New("give octets, such as 65536, or a number with KiB, MiB or GiB, such as 64KiB")
	}
	return n * unit, nil
}

func parseOrigin(s string) (string, error) {
	return s, reason(roost.Config{CORS: []string{s}}.Validate())
}

// parseHost reads a name as it is compared with the Host field: without a port, and
// an IPv6 address without its brackets.
func parseHost(s string) (string, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		s = strings.TrimSuffix(inner, "]")
	}
	return s, reason(roost.Config{Hosts: []string{s}}.Validate())
}

func parsePrefix(s string) (string, error) {
	return s, reason(roost.Config{Prefix: s}.Validate())
}

func parseMethods(s string) (roost.Method, error) {
	var all roost.Method
	for name := range strings.SplitSeq(s, ",") {
		m, err := roost.ParseMethod(strings.ToUpper(strings.TrimSpace(name)))
		if err != nil {
			return 0, errors.New("give some of GET,PUT,POST,DELETE with commas between them; HEAD comes with GET, and OPTIONS always")
		}
		all |= m
	}
	return all, nil
}

// shortTypes are the names that the document gives to its media types.
var shortTypes = map[string]string{
	"TEXT": roost.Text, "XML": roost.XML, "PLAIN": roost.Plain,
	"JSON": roost.JSON, "OCTET": roost.Octet, "APP_XML": roost.AppXML,
}

func parseMediaType(s string) (string, error) {
	if t, ok := shortTypes[s]; ok {
		return t, nil
	}
	if _, err := negotiate.ParseMediaType(s); err != nil {
		return "", fmt.Errorf("%w; give one such as text/plain, or TEXT, XML, PLAIN, JSON, OCTET, APP_XML", err)
	}
	return s, nil
}

func parseLogFormat(s string) (string, error) {
	if s != "text" && s != "json" {
		return "", errors.New("give text or json")
	}
	return s, nil
}

// reason is what the library found wrong, without the call that found it.
func reason(err error) error {
	var e *roost.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}

func parsePlane(s string) (string, error) {
	switch p := roost.Plane(s); p {
	case roost.PlaneAuto, roost.PlaneFast, roost.PlaneReference:
		return s, nil
	}
	return "", errors.New("give auto, fast or reference")
}
