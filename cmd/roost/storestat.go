package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"roost/store/disk"
)

const storeStatLong = `Print what a store has: its format, its epoch, the revision of the newest change, the
bytes of its files, and of each space its items and the bytes of their values.

The values of resources are in the space "resource".`

func storeStatCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "stat DIR",
		Short:                 "Print what a store has",
		Long:                  storeStatLong,
		Example:               "  roost store stat data",
		DisableFlagsInUseLine: true,
		Args:                  storeArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := disk.ReadStat(args[0], storeOptions)
			if err != nil {
				return storeError(err)
			}
			return printStat(cmd.OutOrStdout(), s)
		},
	}
}

func printStat(w io.Writer, s disk.Stat) error {
	fmt.Fprintf(w, "format %d\nepoch %s\nrevision %d\non disk %d bytes\n", s.Format, s.Epoch, s.Revision, s.Disk)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "space\titems\tbytes\n")
	for _, space := range s.Spaces {
		fmt.Fprintf(table, "%s\t%d\t%d\n", printable(space.Space), space.Items, space.Bytes)
	}
	total := s.Total()
	fmt.Fprintf(table, "all\t%d\t%d\n", total.Items, total.Bytes)
	return table.Flush()
}

// printable quotes what would not be one word of a line.
func printable(s string) string {
	if quoted := fmt.Sprintf("%q", s); s == "" || quoted != `"`+s+`"` {
		return quoted
	}
	return s
}
