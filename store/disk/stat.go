package disk

import "roost/store"

// Stat is what a store has.
type Stat struct {
	Format   int
	Epoch    string
	Revision uint64 // of the newest transaction
	Spaces   []SpaceStat
	Disk     int64 // bytes of the files, also of what is not swept up yet
}

// SpaceStat is what a space has.
type SpaceStat struct {
	Space string
	Items uint64
	Bytes uint64 // of the values
}

// Total is what all spaces have together.
func (s Stat) Total() (total SpaceStat) {
	for _, space := range s.Spaces {
		total.Items += space.Items
		total.Bytes += space.Bytes
	}
	return total
}

// count takes an item in. They come space by space.
func (s *Stat) count(item *store.Item) {
	last := len(s.Spaces) - 1
	if last < 0 || s.Spaces[last].Space != item.Key.Space {
		s.Spaces = append(s.Spaces, SpaceStat{Space: item.Key.Space})
		last++
	}
	s.Spaces[last].Items++
	s.Spaces[last].Bytes += uint64(len(item.Value))
}

// ReadStat reads the store in dir, which must not be in use, and changes nothing. Its errors
// are [ErrInUse], [ErrNoStore], [ErrFormat], [ErrDamaged], and those of the system.
func ReadStat(dir string, opts Options) (s Stat, err error) {
	err = reading("read", dir, opts, func(v *view) (err error) {
		if s, err = v.stat(); err != nil {
			return err
		}
		return v.items(func(item *store.Item) error {
			s.count(item)
			return nil
		})
	})
	return s, err
}

// stat reads what is known without the items.
func (v *view) stat() (s Stat, err error) {
	if err := v.readState(); err != nil {
		return s, err
	}
	s = Stat{Format: format, Epoch: v.state.epoch, Revision: v.state.revision}
	s.Disk, err = sizeOf(v.opts.fs, v.dir)
	return s, err
}
