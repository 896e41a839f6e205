package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"roost/store/disk"
)

const storeCheckLong = `Read everything that a store has, and test every checksum. It changes nothing.

What is wrong is printed, a line for each file and each item, and the command ends with 1.
A store that is damaged is not served: restore its folder from a copy, or import an export
into a new one.`

func storeCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "check DIR",
		Short:                 "Read all of a store and say what is wrong with it",
		Long:                  storeCheckLong,
		Example:               "  roost store check data",
		DisableFlagsInUseLine: true,
		Args:                  storeArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			s, err := disk.Check(args[0], func(problem error) { fmt.Fprintln(out, problem) }, storeOptions)
			if err != nil {
				return storeError(err)
			}
			_, err = fmt.Fprintf(out, "sound: %s, revision %d, epoch %s\n", counted(s.Total().Items, "item"), s.Revision, s.Epoch)
			return err
		},
	}
}

// counted is a number of things.
func counted(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
