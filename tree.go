package roost

import "strings"

// tree is what the index (rule 47) knows beside the resources: which paths have some
// below them, and when something below was last changed. It is guarded by the registry.
type tree struct {
	byKey   order
	folders map[string]*folder // by path, with its last slash; those that have something below
	floor   uint64             // no tag of a folder is older than this
}

// folder is a path that ends in "/" and has resources below it.
type folder struct {
	count int
	last  uint64 // revision of the last change below, removals too
	shape uint64 // revision since which what is below may answer otherwise
}

func newTree() *tree {
	return &tree{byKey: order{name: func(e *entry) string { return e.key }}, folders: make(map[string]*folder)}
}

// foldersOf yields the paths that have key below them.
func foldersOf(key string, yield func(path string)) {
	for i := 0; i < len(key)-1; i++ {
		if key[i] == '/' {
			yield(key[:i+1])
		}
	}
}

func (t *tree) add(e *entry) {
	t.byKey.add(e)
	foldersOf(e.key, func(path string) {
		f := t.folders[path]
		if f == nil {
			f = &folder{last: t.floor}
			t.folders[path] = f
		}
		f.count++
	})
}

func (t *tree) remove(e *entry, live int) {
	t.byKey.tidy(live)
	foldersOf(e.key, func(path string) {
		f := t.folders[path]
		if f.count--; f.count == 0 {
			delete(t.folders, path)
		}
	})
}

// touch notes a change of the resource under key.
func (t *tree) touch(key string, revision uint64) {
	foldersOf(key, func(path string) {
		if f := t.folders[path]; f != nil {
			f.last = revision
		}
	})
}

// reshape notes that what is below a path answers otherwise since a revision.
func (t *tree) reshape(path string, revision uint64) {
	if f := t.folders[path]; f != nil {
		f.shape = revision
	}
}

// last is the revision of the last change below path; false if nothing is there.
func (t *tree) last(path string) (revision uint64, ok bool) {
	f := t.folders[path]
	if f == nil {
		return 0, false
	}
	revision = f.last
	foldersOf(path+"x", func(above string) { revision = max(revision, t.folders[above].shape) })
	return revision, true
}

// folderOf is the path below which a POST to key makes resources.
func folderOf(key string) string { return strings.TrimSuffix(key, "/") + "/" }

// restart begins again with what is there at a revision. Removals before it are not
// known, so that every folder counts as changed by it.
func (t *tree) restart(revision uint64) {
	t.floor = revision
	for _, f := range t.folders {
		f.last = max(f.last, revision)
	}
}

// below is the folder at path; nil if nothing is below it.
func (t *tree) below(path string) *folder { return t.folders[path] }

// depth is how many segments key has below path.
func depth(path, key string) int {
	return 1 + strings.Count(strings.TrimSuffix(key[len(path):], "/"), "/")
}
