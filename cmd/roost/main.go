// Command roost serves resources over HTTP and HTTPS from the command line.
//
//	roost serve --resource /hello=Hello --methods GET,PUT
//	roost run main.py
//
// Standard output gets what a command was asked for: of serve, the addresses, the
// resources and a line to try, once everything listens. Logs and errors go to
// standard error. A process ends with 0 if it stopped as asked, 1 if it could not
// start or failed later, and 2 if it was called wrongly; of run, with the code that the
// script chose.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit codes beside 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	cmd, err := rootCommand().ExecuteC()
	if err != nil {
		os.Exit(report(cmd, err))
	}
}

// report tells of a failure on standard error, and returns the exit code for it.
func report(cmd *cobra.Command, err error) int {
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	fmt.Fprintf(os.Stderr, "roost: %v\n", err)
	if !errors.As(err, new(usageError)) {
		return exitFailed
	}
	fmt.Fprintf(os.Stderr, "run '%s --help'\n", cmd.CommandPath())
	return exitUsage
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:                   "roost",
		Short:                 "An HTTP and HTTPS server of resources",
		Example:               "  roost serve --resource /hello=Hello --methods GET,PUT\n  roost run main.py",
		Version:               buildVersion(),
		Args:                  noArgs,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,

		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("roost {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.SetHelpCommand(helpCommand())
	root.AddCommand(serveCommand(), runCommand(), storeCommand(), versionCommand(), completionCommand())
	return root
}

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// flagError puts the flag and its value in front of what is wrong with them.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return usagef("--%s %q: %w", invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap())
	}
	return usageError{err}
}

// noArgs refuses arguments; for the root, they are commands that don't exist.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasParent():
		return usagef("%s takes no arguments, not %q", cmd.CommandPath(), args[0])
	}
	return unknownCommand(cmd, args[0])
}

func unknownCommand(root *cobra.Command, name string) error {
	if similar := root.SuggestionsFor(name); len(similar) > 0 {
		return usagef("unknown command %q; did you mean %s?", name, strings.Join(similar, " or "))
	}
	return usagef("unknown command %q", name)
}
