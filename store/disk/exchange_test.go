package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roost/store"
	"roost/store/disk"
)

var quietly = disk.Options{Logger: quiet}

// exported is the lines of an export.
func exported(t testing.TB, dir string) []string {
	t.Helper()
	var b bytes.Buffer
	must(t, disk.Export(dir, &b, quietly))
	return strings.SplitAfter(b.String(), "\n")
}

// odd is a store with what is hard to write as text.
func odd(t testing.TB, dir string) {
	s := open(t, dir)
	at := time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.UTC)
	for i, text := range []string{"", "plain", "\xff\x00", "é\u2028<&>\\ud800\x00\n", `{"a":1}`, `{ "a":1}`, "{\"a\":\"\xff\"}", "null", "[1]", `{"n":12345678901234567890.10,"n":2}`} {
		commit(t, s, store.Write{Key: store.Key{Space: fmt.Sprint("s", i%2, text[:min(len(text), 1)]), Name: text}, Meta: []byte(text), Value: []byte(text), Modified: at})
	}
	commit(t, s, store.Write{Key: key("plain"), Value: []byte("new"), Modified: at, Expires: at.Add(time.Hour)})
	commit(t, s, store.Write{Key: key("timeless")})
	commit(t, s, store.Write{Key: key("timeless"), Value: []byte("written again")})
	commit(t, s, store.Write{Key: key("gone")})
	commit(t, s, store.Write{Key: key("gone"), Delete: true})
	must(t, s.Close())
}

// A store that went through an export is the same, but for its epoch.
func TestExportImport(t *testing.T) {
	t.Parallel()
	one, two := t.TempDir(), filepath.Join(t.TempDir(), "not", "there")
	odd(t, one)
	lines := exported(t, one)
	done, err := disk.Import(two, strings.NewReader(strings.Join(lines, "")), nil, quietly)
	must(t, err)
	if again := exported(t, two); strings.Join(again[1:], "") != strings.Join(lines[1:], "") || done.Items != 12 {
		t.Errorf("%d items imported, exported again:\n%s\nwant\n%s", done.Items, again, lines)
	}
	a, b := open(t, one), open(t, two)
	if a.Info().Epoch == b.Info().Epoch || b.Info().Epoch != done.Epoch {
		t.Errorf("epochs %s and %s, import said %s", a.Info().Epoch, b.Info().Epoch, done.Epoch)
	}
	was, revision := contents(t, a)
	is, same := contents(t, b)
	if fmt.Sprint(was) != fmt.Sprint(is) || revision != same || commit(t, b, store.Write{Key: key("next")}) != revision+1 {
		t.Errorf("at revision %d: %v\nwas at %d: %v", same, is, revision, was)
	}
}

// The lines are as spec/disk-format.md says.
func TestExportLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	at := time.Date(2026, 5, 1, 12, 0, 0, 120000000, time.FixedZone("", 3600))
	commit(t, s, store.Write{Key: store.Key{Space: "b", Name: "/é"}, Meta: []byte(`{"type":"text/html"}`), Value: []byte("<b>\n"), Modified: at, Expires: at.Add(time.Second)})
	commit(t, s, store.Write{Key: store.Key{Space: "a", Name: "\xff"}, Meta: []byte("m"), Value: []byte("\xfe")})
	epoch := s.Info().Epoch
	must(t, s.Close())
	want := []string{
		`{"kind":"roost store export","format":1,"epoch":"` + epoch + `","revision":2,"time":"`,
		`{"space":"a","name_base64":"/w==","meta_base64":"bQ==","value_base64":"/g==","created":2,"revision":2}` + "\n",
		`{"space":"b","name":"/é","meta":{"type":"text/html"},"value":"<b>\n","created":1,"revision":1,"modified":"2026-05-01T11:00:00.12Z","expires":"2026-05-01T11:00:01.12Z"}` + "\n",
		`{"items":2}` + "\n", "",
	}
	got := exported(t, dir)
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] && (i > 0 || !strings.HasPrefix(got[i], want[i])) {
			t.Fatalf("line %d of\n%s\nwant\n%s", i+1, got, want)
		}
	}
}

// What can't be written as it is is refused, not changed.
func TestExportYears(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	commit(t, s, store.Write{Key: key("late"), Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})
	must(t, s.Close())
	if err := disk.Export(dir, new(bytes.Buffer), quietly); err == nil || !strings.Contains(err.Error(), `item "late" in space "things"`) {
		t.Errorf("%v", err)
	}
}

const (
	head = `{"kind":"roost store export","format":1,"epoch":"e","revision":5,"time":"2026-05-01T12:00:00Z"}` + "\n"
	a    = `{"space":"s","name":"a","value":"x","created":1,"revision":2}` + "\n"
	foot = `{"items":1}` + "\n"
)

// What is no whole export leaves no store, and says in which line it is wrong; the folder can
// be imported into afterwards.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	item := func(rest string) string { return head + a + `{"space":"s","name":"b",` + rest + "}\n" + `{"items":2}` }
	for name, row := range map[string]struct{ text, want string }{
		"nothing":           {"", "empty"},
		"something else":    {"# a page\n", "line 1: it does not begin as one"},
		"other JSON":        {`{"format":1}`, "line 1: it does not begin as one"},
		"newer":             {strings.Replace(head, `"format":1`, `"format":2,"more":[]`, 1), "format 2, and this version reads 1"},
		"last revision":     {strings.Replace(head, `"revision":5`, fmt.Sprint(`"revision":`, uint64(math.MaxUint64)), 1), "line 1: revision"},
		"head only":         {head, "ends after line 1"},
		"no foot":           {head + a, "ends after line 2 without the line that counts"},
		"half a line":       {head + a[:20], "line 2: it is no whole object"},
		"an empty line":     {head + "\n" + a + foot, "line 2: it is no whole object"},
		"indented":          {head + "{\n", "jq writes it so with -c"},
		"two in a line":     {head + strings.TrimSpace(a) + a + foot, "line 2: there is something after its object"},
		"one missing":       {head + foot, "line 2: it says that the export has 1 items, and there are 0"},
		"two exports":       {head + a + foot + head, "line 4: there is something after the line that counts"},
		"head again":        {head + head + a + foot, `line 2: unknown field "kind"`},
		"twice":             {head + a + a + `{"items":2}`, `line 3: item "a" in space "s" was in a line before`},
		"twice, as base64":  {head + a + strings.Replace(a, `"name":"a"`, `"name_base64":"YQ=="`, 1) + `{"items":2}`, "line 3: item"},
		"above the head":    {item(`"created":1,"revision":6`), "line 3: revision 6 is above that of the export, 5"},
		"before its life":   {item(`"created":3,"revision":2`), "line 3: revision 2 is below created, 3"},
		"never created":     {item(`"revision":2`), "line 3: created is missing"},
		"negative":          {item(`"created":-1,"revision":2`), "line 3: cannot unmarshal number -1"},
		"unknown field":     {item(`"created":1,"revision":2,"acl":1`), `line 3: unknown field "acl"`},
		"no name":           {head + `{"space":"s","created":1,"revision":1}`, "line 2: it has no name"},
		"no space":          {head + `{"name":"s","created":1,"revision":1}`, "line 2: it has no space"},
		"null":              {head + `null`, "line 2: it has no space"},
		"text and octets":   {item(`"value":"x","value_base64":"eA==","created":1,"revision":2`), "line 3: it has both value and value_base64"},
		"two metas":         {item(`"meta":{},"meta_base64":"eA==","created":1,"revision":2`), "line 3: it has both meta and meta_base64"},
		"meta of no object": {item(`"meta":[],"created":1,"revision":2`), "line 3: meta is no object"},
		"not base64":        {item(`"value_base64":"!","created":1,"revision":2`), "line 3: illegal base64"},
		"a bad time":        {item(`"modified":"yesterday","created":1,"revision":2`), "line 3: "},
		"not UTF-8":         {item("\"value\":\"\xff\",\"created\":1,\"revision\":2"), "line 3: it is not UTF-8"},
		"half a surrogate":  {item(`"value":"\\\udcff","created":1,"revision":2`), "line 3: it has half of a pair"},
		"halves apart":      {item(`"value":"\ud83d \ude00","created":1,"revision":2`), "line 3: it has half of a pair"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "store")
			_, err := disk.Import(dir, strings.NewReader(row.text), nil, quietly)
			if err == nil || !strings.Contains(err.Error(), row.want) || !errors.Is(err, disk.ErrExport) && !errors.Is(err, disk.ErrFormat) {
				t.Fatalf("%v, want %s", err, row.want)
			}
			if _, err := disk.ReadStat(dir, quietly); !errors.Is(err, disk.ErrNoStore) && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("there is a store: %v", err)
			}
			_, err = disk.Import(dir, strings.NewReader(head+a+strings.TrimSpace(foot)), nil, quietly)
			must(t, err)
		})
	}
}

// What other programs write differently is taken: pairs of surrogates, spaces, other zones.
func TestImportTakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	line := `{ "name": "\ud83d\ude00\\ud800", "space": "s", "meta": { "a": "b c" }, "created": 1, "revision": 2, "modified": "2026-05-01T14:00:00+02:00" }` + "\r\n"
	_, err := disk.Import(dir, strings.NewReader(head+line+foot), nil, quietly)
	must(t, err)
	items, _ := contents(t, open(t, dir))
	item := items["s:😀\\ud800"]
	if string(item.Meta) != `{"a":"b c"}` || item.Modified.Format(time.RFC3339) != "2026-05-01T12:00:00Z" {
		t.Errorf("%+v", items)
	}
}

// A folder that has something is left as it is.
func TestImportElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600))
	if _, err := disk.Import(dir, strings.NewReader(head+a+foot), nil, quietly); !errors.Is(err, disk.ErrNotAStore) {
		t.Errorf("a folder with another file: %v", err)
	}
	dir = t.TempDir()
	odd(t, dir)
	lines := exported(t, dir)
	if _, err := disk.Import(dir, strings.NewReader(head+a+foot), nil, quietly); !errors.Is(err, disk.ErrExists) {
		t.Errorf("a store: %v", err)
	}
	if again := exported(t, dir); strings.Join(again[1:], "") != strings.Join(lines[1:], "") {
		t.Errorf("it has now %s", again)
	}
}

// A disk that is nearly full takes no import.
func TestImportFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := disk.Import(dir, strings.NewReader(head+a+foot), nil, disk.Options{Logger: quiet, MinFree: 1 << 60}); !errors.Is(err, store.ErrFull) {
		t.Errorf("%v", err)
	}
	if _, err := disk.ReadStat(dir, quietly); !errors.Is(err, disk.ErrNoStore) {
		t.Errorf("there is a store: %v", err)
	}
}

// Many items go in bit by bit, and each is there.
func TestImportMany(t *testing.T) {
	t.Parallel()
	const count = 3000
	var b strings.Builder
	b.WriteString(head)
	for i := range count {
		fmt.Fprintf(&b, `{"space":"s","name":"%d","value":"%s","created":1,"revision":2}`+"\n", (i*7)%count, strings.Repeat("v", 1000))
	}
	fmt.Fprintf(&b, `{"items":%d}`, count)
	dir := t.TempDir()
	var told []disk.Imported
	done, err := disk.Import(dir, strings.NewReader(b.String()), func(p disk.Imported) { told = append(told, p) }, quietly)
	must(t, err)
	if len(told) < 2 || told[0].Items == 0 || told[1].Items <= told[0].Items || told[1].Read <= told[0].Read || done.Items != count || done.Read != int64(b.Len()) {
		t.Errorf("told %+v, in the end %+v of %d bytes", told, done, b.Len())
	}
	s, err := disk.Check(dir, func(err error) { t.Error(err) }, quietly)
	must(t, err)
	if s.Total() != (disk.SpaceStat{Items: count, Bytes: count * 1000}) || s.Revision != 5 || s.Epoch != done.Epoch {
		t.Errorf("it has %+v", s)
	}
}

// Whoever reads a store says who has it open.
func TestReadersInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for name, read := range readers(dir) {
		if err := read(); !errors.Is(err, disk.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
			t.Errorf("%s: %v", name, err)
		}
	}
	commit(t, s, store.Write{Key: key("a")}) // undisturbed
	must(t, s.Close())
	for name, read := range readers(dir) {
		if err := read(); err != nil {
			t.Errorf("%s, afterwards: %v", name, err)
		}
	}
}

func readers(dir string) map[string]func() error {
	return map[string]func() error{
		"stat":   func() error { _, err := disk.ReadStat(dir, quietly); return err },
		"check":  func() error { _, err := disk.Check(dir, func(error) {}, quietly); return err },
		"export": func() error { return disk.Export(dir, new(bytes.Buffer), quietly) },
	}
}

// Reading changes no file, also of a store that was not closed, and sees what that one
// acknowledged.
func TestReadersChangeNothing(t *testing.T) {
	t.Parallel()
	dir, crashed := t.TempDir(), filepath.Join(t.TempDir(), "crashed")
	s := open(t, dir)
	commit(t, s, store.Write{Key: key("a"), Value: []byte("x")}, store.Write{Key: store.Key{Space: "a"}, Value: []byte("yz")})
	must(t, os.CopyFS(crashed, os.DirFS(dir)))
	must(t, os.Remove(filepath.Join(crashed, "HOLDER")))
	before := files(t, crashed)
	for name, read := range readers(crashed) {
		if err := read(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after := files(t, crashed); after != before {
			t.Errorf("%s changed the folder from\n%s\nto\n%s", name, before, after)
		}
	}
	got, err := disk.ReadStat(crashed, quietly)
	must(t, err)
	want := []disk.SpaceStat{{"a", 1, 2}, {"things", 1, 1}}
	if got.Format != 1 || got.Epoch != s.Info().Epoch || got.Revision != 1 || fmt.Sprint(got.Spaces) != fmt.Sprint(want) || got.Disk < 1000 {
		t.Errorf("%+v", got)
	}
}

// files is what a folder has, in one text, but for the locks.
func files(t testing.TB, dir string) string {
	var b strings.Builder
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || info.Name() == "LOCK" { // that is opened to be written
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %s %x\n", path, info.ModTime(), text)
		return err
	}))
	return b.String()
}

// Where there is no store, reading makes none.
func TestReadersOfNothing(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for name, read := range readers(empty) {
		if err := read(); !errors.Is(err, disk.ErrNoStore) {
			t.Errorf("%s of an empty folder: %v", name, err)
		}
	}
	missing := filepath.Join(empty, "missing")
	for name, read := range readers(missing) {
		if err := read(); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s of no folder: %v", name, err)
		}
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// A writer that fails ends an export.
func TestExportFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, open(t, dir).Close())
	if err := disk.Export(dir, full{}, quietly); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}

type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }
