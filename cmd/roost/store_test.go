package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"roost/store/disk"
)

// A long import tells how far it is; a short one says nothing.
func TestImportProgress(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	p := progress{to: &b, size: 8 << 20}
	p.tell(disk.Imported{Items: 1, Read: 2 << 20})
	p.size = 0
	p.tell(disk.Imported{Items: 5000, Read: 4 << 20})
	p.every, p.last = time.Hour, time.Now()
	p.tell(disk.Imported{Items: 9000, Read: 6 << 20})
	if want := "roost: 1 item, 2 MiB of 8 (25%)\nroost: 5000 items, 4 MiB\n"; b.String() != want {
		t.Errorf("told %q, want %q", &b, want)
	}
}

// A file is replaced when all of the new one is written, and not before.
func TestWriteWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "out")
	write := func(text string, fails error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return errors.Join(err, fails)
		}
	}
	if err := writeWhole(name, write("one", nil)); err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(name, write("two", io.ErrShortWrite)); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(name)
	if left, _ := os.ReadDir(dir); err != nil || string(text) != "one" || len(left) != 1 {
		t.Errorf("%q, %v; the folder has %v", text, err, left)
	}
}
