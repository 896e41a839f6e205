package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by go build -ldflags "-X main.version=v1.2.3". Without it the
// version is that of the module.
var version string

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "version",
		Short:                 "Print the version of this program",
		Example:               "  roost version",
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "roost", buildVersion())
		},
	}
}

// buildVersion says what was built, by which Go, and for which system.
func buildVersion() string {
	module, revision := "(devel)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		module, revision = cmp.Or(info.Main.Version, module), vcsRevision(info.Settings)
	}
	return fmt.Sprintf("%s%s %s %s/%s", cmp.Or(version, module), revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func vcsRevision(settings []debug.BuildSetting) string {
	vcs := make(map[string]string)
	for _, s := range settings {
		vcs[s.Key] = s.Value
	}
	switch {
	case vcs["vcs.revision"] == "":
		return ""
	case vcs["vcs.modified"] == "true":
		return " " + vcs["vcs.revision"] + "+modified"
	}
	return " " + vcs["vcs.revision"]
}
