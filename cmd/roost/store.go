package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"roost/store/disk"
)

const storeLong = `Look after a store: the folder where values are kept that survive the end of the server.

None of this touches a store that is in use: stop its server first.

Exit codes: 0 done, 1 could not be done or is damaged, 2 wrong usage.`

const storeExample = `  roost store stat data
  roost store check data
  roost store export data > backup.ndjson
  roost store import new-data backup.ndjson`

func storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "store",
		Short:                 "Check, export, import and measure a store on disk",
		Long:                  storeLong,
		Example:               storeExample,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(storeStatCommand(), storeCheckCommand(), storeExportCommand(), storeImportCommand())
	return cmd
}

// storeArgs wants the folder of a store, and nothing else.
func storeArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usagef("name the folder of the store, such as: %s data", cmd.CommandPath())
	case len(args) > 1:
		return usagef("%s takes one folder, not %q too", cmd.CommandPath(), args[1])
	}
	return nil
}

// storeOptions are those of every command: what goes wrong is in its error.
var storeOptions = disk.Options{Logger: slog.New(slog.DiscardHandler)}

// storeError says what to do where the error does not.
func storeError(err error) error {
	switch {
	case errors.Is(err, disk.ErrInUse):
		return fmt.Errorf("%w; stop that first", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; become the user that the folder belongs to, or change its rights", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; name a folder", err)
	case errors.Is(err, os.ErrNotExist) && !errors.Is(err, disk.ErrDamaged):
		return fmt.Errorf("%w; name the folder of a store", err)
	}
	return err
}
