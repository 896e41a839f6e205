package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/sstable"

	"roost/store"
)

// Check reads all that the store in dir has, which must not be in use, and tests every checksum
// and what the records say. It changes nothing. problem is told, in order, of each file and
// each item with which something is wrong; then the error is [ErrDamaged], as it is of a store
// that can't be opened. Others are those of [ReadStat]. The Stat is of what could be read.
func Check(dir string, problem func(error), opts Options) (Stat, error) {
	c := &checker{problem: problem}
	err := reading("check", dir, opts, c.check)
	return c.stat, err
}

// checker counts and hands on what is found.
type checker struct {
	problem func(error)
	found   int
	stat    Stat
	read    tally
}

func (c *checker) report(err error) {
	c.found++
	c.problem(firstLine{err})
}

func (c *checker) check(v *view) (err error) {
	if err := c.tables(v); err != nil {
		return err
	}
	if c.stat, err = v.stat(); isDamage(err) {
		c.report(err)
	} else if err != nil {
		return err
	}
	if err := c.records(v); err != nil {
		return err
	}
	if err := v.state.addsUp(c.read); err != nil && c.found == 0 {
		c.report(err)
	}
	if err := v.db.CheckLevels(nil); err != nil && c.found == 0 {
		c.report(fmt.Errorf("%s: %w", databaseFolder, err))
	}
	switch c.found {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w: 1 problem", ErrDamaged)
	}
	return fmt.Errorf("%w: %d problems", ErrDamaged, c.found)
}

// tables reads every block of every table: also what no key leads to any more.
func (c *checker) tables(v *view) error {
	levels, err := v.db.SSTables()
	if err != nil {
		return err
	}
	for _, tables := range levels {
		for _, t := range tables {
			name := filepath.Join(databaseFolder, t.BackingSSTNum.String()+".sst")
			err := c.table(v, filepath.Join(v.dir, name))
			if err != nil && !isDamage(err) {
				return err
			}
			if err != nil {
				c.report(fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	return nil
}

func (c *checker) table(v *view, path string) error {
	f, err := v.opts.fs.Open(path)
	if err != nil {
		return err
	}
	file, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r, err := sstable.NewReader(context.Background(), file, sstable.ReaderOptions{})
	if err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}

// records reads every key that is there, and what stands under it. After a block that can't be
// read, it ends: tables has told which.
func (c *checker) records(v *view) error {
	it, err := v.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return c.unreadable(err)
		}
		c.record(v, it.Key(), value)
	}
	if err := it.Error(); err != nil {
		return c.unreadable(err)
	}
	return nil
}

func (c *checker) unreadable(err error) error {
	if !isDamage(err) {
		return err
	}
	if c.found == 0 {
		c.report(fmt.Errorf("%s: %w", databaseFolder, err))
	}
	return nil
}

func (c *checker) record(v *view, key, value []byte) {
	if bytes.Equal(key, stateKey) {
		return // was read when the store was opened
	}
	item, err := parseRecord(key, value)
	if errors.Is(err, errKey) {
		c.report(fmt.Errorf("key %q: %w", key, err))
		return
	}
	if err == nil {
		space, name, _ := parseKey(key)
		item.Key = store.Key{Space: string(space), Name: string(name)}
		err = v.sound(&item, key)
	}
	if err != nil {
		c.report(err)
		return
	}
	c.stat.count(&item)
	c.read.add(&item)
}

// sound says what is wrong with an item whose checksum is right.
func (v *view) sound(item *store.Item, key []byte) error {
	what := fmt.Sprintf("item %q in space %q", item.Key.Name, item.Key.Space)
	switch {
	case item.Created == 0 || item.Created > item.Revision:
		return fmt.Errorf("%s was created at revision %d and written at %d", what, item.Created, item.Revision)
	case v.state.revision < item.Revision && v.state.epoch != "":
		return fmt.Errorf("%s has revision %d, and the store %d", what, item.Revision, v.state.revision)
	case !bytes.Equal(appendKey(nil, item.Key), key):
		return fmt.Errorf("%s has a key that is not the shortest", what)
	}
	return nil
}
