package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// variable is the environment variable of a flag: ROOST_MAX_URI for max-uri.
func variable(flag string) string {
	return "ROOST_" + strings.ReplaceAll(strings.ToUpper(flag), "-", "_")
}

// readEnvironment sets the flags that the command line left alone from their
// variables, and returns which those were.
func readEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) (set map[string]bool, err error) {
	set = make(map[string]bool)
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(variable(f.Name))
		if !ok || f.Changed || f.Name == "help" || err != nil {
			return
		}
		set[f.Name] = true
		err = setFromVariable(f, value)
	})
	return set, err
}

func setFromVariable(f *pflag.Flag, value string) error {
	for _, v := range variableValues(f, value) {
		if err := f.Value.Set(v); err != nil {
			return usagef("%s %q: %w", variable(f.Name), v, err)
		}
	}
	return nil
}

// variableValues are the values in a variable: for a flag that can be repeated, its
// lines that are not empty. A variable that is empty as a whole is an empty value,
// which no flag takes: what a script failed to fill in must not turn TLS off.
func variableValues(f *pflag.Flag, value string) []string {
	if _, ok := f.Value.(interface{ repeatable() }); !ok {
		return []string{value}
	}
	var values []string
	for line := range strings.Lines(value) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			values = append(values, line)
		}
	}
	if len(values) == 0 {
		return []string{""}
	}
	return values
}
