// Package target lists the systems that Roost is built for.
package target

import "os"

// Target is a system and a processor.
type Target struct {
	OS, Arch string
	ARM      string // version of the instructions, where Arch is "arm"
}

// All are the targets of a release.
var All = []Target{
	{OS: "linux", Arch: "amd64"},
	{OS: "linux", Arch: "arm64"},
	{OS: "linux", Arch: "arm", ARM: "6"},
	{OS: "linux", Arch: "arm", ARM: "7"},
	{OS: "darwin", Arch: "amd64"},
	{OS: "darwin", Arch: "arm64"},
	{OS: "windows", Arch: "amd64"},
	{OS: "windows", Arch: "arm64"},
}

// String names the target as release files do, like "linux-armv6".
func (t Target) String() string {
	s := t.OS + "-" + t.Arch
	if t.ARM != "" {
		s += "v" + t.ARM
	}
	return s
}

// Environ is the environment in which the go command builds for the target,
// without C.
func (t Target) Environ() []string {
	env := append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.OS, "GOARCH="+t.Arch)
	if t.ARM != "" {
		env = append(env, "GOARM="+t.ARM)
	}
	return env
}
