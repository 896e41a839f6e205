package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestBuildVersion(t *testing.T) {
	version = "v1.2.3"
	t.Cleanup(func() { version = "" })
	want := "v1.2.3 " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	if info, ok := debug.ReadBuildInfo(); ok {
		want = "v1.2.3" + vcsRevision(info.Settings) + want[len("v1.2.3"):]
	}
	if got := buildVersion(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestVCSRevision(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123abc"}
	for _, c := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, ""},
		{[]debug.BuildSetting{revision}, " 0123abc"},
		{[]debug.BuildSetting{revision, {Key: "vcs.modified", Value: "false"}}, " 0123abc"},
		{[]debug.BuildSetting{revision, {Key: "vcs.modified", Value: "true"}}, " 0123abc+modified"},
	} {
		if got := vcsRevision(c.settings); got != c.want {
			t.Errorf("%v: %q, want %q", c.settings, got, c.want)
		}
	}
}
