package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"roost/store/disk"
)

const storeExportLong = `Write what a store has, as lines of JSON: the first describes the export, the last counts the
items, and each in between is an item. spec/disk-format.md describes the fields.

A file that is there already is replaced when all is written. Without its last line an export
was cut off, and is not imported.`

const storeExportExample = `  roost store export data > backup.ndjson
  roost store export data -o backup.ndjson
  roost store export data | jq -r 'select(.space == "resource") | .name'`

func storeExportCommand() *cobra.Command {
	output := "-"
	cmd := &cobra.Command{
		Use:                   "export [flags] DIR",
		Short:                 "Write what a store has as lines of JSON",
		Long:                  storeExportLong,
		Example:               storeExportExample,
		DisableFlagsInUseLine: true,
		Args:                  storeArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			export := func(w io.Writer) error { return storeError(disk.Export(args[0], w, storeOptions)) }
			if output == "-" {
				return export(cmd.OutOrStdout())
			}
			return writeWhole(output, export)
		},
	}
	cmd.Flags().VarP(newSingle(&output, "FILE", "-", parseFile), "output", "o", "the file to write to; - is standard output")
	return cmd
}

// writeWhole puts a file in its place when write has written all of it. Others may not read
// it.
func writeWhole(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("no file can be made in the folder %q: %w", filepath.Dir(name), errors.Unwrap(err))
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
