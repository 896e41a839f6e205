package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"roost/store/disk"
)

const storeImportLong = `Make a store of an export, in a folder that is empty or does not exist. The items keep their
revisions and times. The store has an epoch of its own, so no client takes a value of the one
for one of the other.

The folder has a store when everything is in, and none before that: after an error or a crash,
run the command again.`

const storeImportExample = `  roost store import data backup.ndjson
  gunzip < backup.ndjson.gz | roost store import data -`

func storeImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "import DIR FILE",
		Short:                 "Make a store of what export wrote; FILE - is standard input",
		Long:                  storeImportLong,
		Example:               storeImportExample,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("name the folder to make a store in and the export, such as: %s data backup.ndjson", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			in, size, err := openExport(args[1], cmd.InOrStdin())
			if err != nil {
				return err
			}
			defer in.Close()
			p := progress{to: cmd.ErrOrStderr(), size: size, every: time.Second, last: time.Now()}
			done, err := disk.Import(args[0], in, p.tell, storeOptions)
			if err != nil {
				return storeError(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "imported %s into %s, under epoch %s\n", counted(done.Items, "item"), args[0], done.Epoch)
			return err
		},
	}
}

// openExport opens a file that can be read to its end; its size is 0 where it is not known.
func openExport(name string, stdin io.Reader) (in io.ReadCloser, size int64, err error) {
	if name == "-" {
		return io.NopCloser(stdin), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("%w; name a file that roost store export wrote, or - for standard input", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, 0, errors.Join(err, f.Close())
	case info.IsDir():
		return nil, 0, errors.Join(fmt.Errorf("%s is a folder; name a file that roost store export wrote", name), f.Close())
	case info.Mode().IsRegular():
		size = info.Size()
	}
	return f, size, nil
}

// progress tells how far an import is, where it takes long.
type progress struct {
	to    io.Writer
	size  int64 // of the export; 0 where it is not known
	every time.Duration
	last  time.Time
}

func (p *progress) tell(done disk.Imported) {
	if time.Since(p.last) < p.every {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.to, "roost: %s, %d MiB", counted(done.Items, "item"), done.Read>>20)
	if p.size > 0 {
		fmt.Fprintf(p.to, " of %d (%d%%)", p.size>>20, 100*done.Read/p.size)
	}
	fmt.Fprintln(p.to)
}
