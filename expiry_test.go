package roost_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"roost"
	"roost/store"
	"roost/store/memory"
)

// direct is a request to s without a connection, for the time of a bubble.
func direct(t testing.TB, s *roost.Server, method, uri, body string, fields ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, uri, strings.NewReader(body))
	must(err)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Add(name, value)
	}
	w := newSink()
	s.ServeHTTP(w, req)
	return answer{Status: w.status, Header: w.header, Body: w.take()}
}

// Rule 56: values end when their time is over, and each write begins another.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := roost.New(t.Context(), roost.Config{})
		must(err)
		defer s.Close()
		sunset := func(a answer, in time.Duration) {
			t.Helper()
			want := ""
			if in > 0 {
				want = time.Now().Add(in).UTC().Format(http.TimeFormat)
			}
			if got := a.Header.Get("Sunset"); got != want {
				t.Errorf("Sunset %q, want %q", got, want)
			}
		}
		r := add(t, s, "/own", all, nil, roost.WithContentType(roost.Plain), roost.WithTTL(10*time.Second))
		add(t, s, "/any", all, nil, roost.WithContentType(roost.Plain), roost.WithClientTTL())
		add(t, s, "/ever", all, nil)

		sunset(direct(t, s, "GET", "/own", ""), 10*time.Second)
		sunset(direct(t, s, "GET", "/any", ""), 0)
		time.Sleep(9 * time.Second)
		a := direct(t, s, "PUT", "/own", "x")
		if a.Status != 204 {
			t.Fatal(a)
		}
		sunset(a, 10*time.Second)
		time.Sleep(10*time.Second - 1)
		if a := direct(t, s, "GET", "/own", ""); a.Status != 200 {
			t.Errorf("before its end: %d", a.Status)
		}
		time.Sleep(1 * time.Nanosecond)
		if a := direct(t, s, "GET", "/own", ""); a.Status != 404 { // whether it was deleted yet or not
			t.Errorf("at its end: %d", a.Status)
		}
		if a := direct(t, s, "PUT", "/own", "x"); a.Status != 404 {
			t.Errorf("PUT at its end: %d", a.Status)
		}
		if _, err := r.Value(); !errors.Is(err, roost.ErrNotExist) {
			t.Errorf("Value at its end: %v", err)
		}
		synctest.Wait()
		if s.CountResources() != 2 {
			t.Errorf("%d resources", s.CountResources())
		}

		// The client's time, the next write's own, and the child's.
		sunset(direct(t, s, "PUT", "/any", "y", "Roost-TTL: 5"), 5*time.Second)
		sunset(direct(t, s, "PUT", "/any", "y"), 0)
		a = direct(t, s, "POST", "/any", "y", "Roost-TTL: 60")
		sunset(a, time.Minute)
		child := a.Header.Get("Location")
		sunset(direct(t, s, "GET", child, "", "Range: bytes=0-0"), time.Minute)
		sunset(direct(t, s, "PUT", child, "z", "Roost-TTL: 30", "Prefer: return=representation"), 30*time.Second)
		time.Sleep(30 * time.Second)
		if a := direct(t, s, "GET", child, ""); a.Status != 404 {
			t.Errorf("child: %d", a.Status)
		}
		if a := direct(t, s, "GET", "/any", ""); a.Status != 200 {
			t.Errorf("what a plain PUT made permanent: %d", a.Status)
		}
		for _, row := range []struct{ method, uri, ttl string }{
			{"PUT", "/ever", "5"}, {"POST", "/ever", "5"}, {"GET", "/any", "5"}, {"DELETE", "/any", "5"},
			{"PUT", "/any", "0"}, {"PUT", "/any", "-1"}, {"PUT", "/any", "1.5"}, {"PUT", "/any", "x"}, {"PUT", "/any", ""}, {"PUT", "/any", "999999999999"},
		} {
			direct(t, s, row.method, row.uri, "", "Roost-TTL: "+row.ttl).expectProblem(t, 400, "bad-ttl")
		}
	})
}

// The program gives and takes a time to live.
func TestSetTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := roost.New(t.Context(), roost.Config{})
		must(err)
		defer s.Close()
		r := add(t, s, "/a", all, nil)
		must(r.SetTTL(t.Context(), time.Hour))
		time.Sleep(59 * time.Minute)
		_, err = r.SetValue(t.Context(), []byte("again"))
		must(err)
		time.Sleep(59 * time.Minute)
		rep, err := r.Representation()
		must(err)
		if left := time.Until(rep.Expires()); left != time.Minute {
			t.Errorf("%v left", left)
		}
		must(r.SetTTL(t.Context(), 0))
		time.Sleep(24 * time.Hour)
		if r.String() != "again" {
			t.Error("gone, though it was made permanent")
		}
		for _, ttl := range []time.Duration{-1, 200 * 365 * 24 * time.Hour} {
			if err := r.SetTTL(t.Context(), ttl); !errors.Is(err, roost.ErrConfig) {
				t.Errorf("%v: %v", ttl, err)
			}
			if _, err := s.AddResource(t.Context(), "/b", roost.WithTTL(ttl)); !errors.Is(err, roost.ErrConfig) {
				t.Errorf("%v: %v", ttl, err)
			}
		}
		// The same URI at once, whether the old one was deleted yet or not.
		add(t, s, "/c", 0, nil, roost.WithTTL(time.Second))
		time.Sleep(time.Second)
		add(t, s, "/c", 0, nil, roost.WithString("new"))
		synctest.Wait()
		if c, err := s.GetResource("/c"); err != nil || c.String() != "new" {
			t.Errorf("%v %v", c, err)
		}
	})
}

// A thousand ends and one timer; what is written again in time stays, and nothing is kept
// of what is gone.
func TestManyExpiries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := roost.New(t.Context(), roost.Config{MaxURI: -1})
		must(err)
		defer s.Close()
		for i := range 1000 {
			r := add(t, s, fmt.Sprint("/", i), all, nil, roost.WithTTL(time.Duration(i%100+1)*time.Second))
			if i%100 == 99 {
				must(r.SetTTL(t.Context(), 0))
			}
			if i%100 == 98 {
				must(r.Remove(t.Context()))
			}
		}
		if got := roost.Expiring(s); got != 980 {
			t.Errorf("%d will expire", got)
		}
		for range 100 {
			for range 5 {
				r, err := s.GetResource("/97") // until then it would be gone after 98 s
				must(err)
				_, err = r.SetValue(t.Context(), []byte("x"))
				must(err)
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if s.CountResources() != 11 || roost.Expiring(s) != 1 {
			t.Errorf("%d left, %d will expire", s.CountResources(), roost.Expiring(s))
		}
	})
}

// Rules 41, 44, 46: the end of its time is told as a deletion.
func TestExpiryIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := roost.New(t.Context(), roost.Config{})
		must(err)
		defer s.Close()
		add(t, s, "/a", all, nil, roost.WithTTL(20*time.Second))
		polled := make(chan answer, 1)
		go func() { polled <- direct(t, s, "GET", "/a", "", "If-None-Match: *", "Prefer: wait=50") }()
		begin := time.Now()
		streamed := direct(t, s, "GET", "/a", "", "Accept: text/event-stream")
		if took := time.Since(begin); took != 20*time.Second || !strings.Contains(streamed.Body, "event: delete\n") {
			t.Errorf("stream: %v, %q", took, streamed.Body)
		}
		if a := <-polled; a.Status != 404 || a.Header.Get("Preference-Applied") != "wait=50" {
			t.Errorf("poll: %+v", a)
		}
	})
}

// failing is a store that can't be reached for a while.
type failing struct {
	store.Store
	down atomic.Bool
}

func (f *failing) Commit(ctx context.Context, txn store.Txn) (uint64, error) {
	if f.down.Load() {
		return 0, store.ErrUnavailable
	}
	return f.Store.Commit(ctx, txn)
}

// The engine stops answering at the deadline, whatever the store does, and deletes as soon
// as it can.
func TestExpiryWhileStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{Store: memory.New()}
		s, err := roost.New(t.Context(), roost.Config{Store: f, Index: true, Logger: slog.New(slog.DiscardHandler)})
		must(err)
		defer s.Close()
		add(t, s, "/x/a", all, nil, roost.WithTTL(time.Second))
		add(t, s, "/x/b", all, nil, roost.WithTTL(time.Second))
		f.down.Store(true)
		begin := time.Now()
		streamed := direct(t, s, "GET", "/x/a", "", "Accept: text/event-stream")
		if took := time.Since(begin); took != time.Second || !strings.Contains(streamed.Body, "event: delete\n") {
			t.Errorf("stream: %v, %q", took, streamed.Body)
		}
		time.Sleep(9*time.Second + time.Millisecond)
		if a := direct(t, s, "GET", "/x/a", ""); a.Status != 404 {
			t.Errorf("%d", a.Status)
		}
		if a := direct(t, s, "GET", "/x/", ""); a.Status != 404 {
			t.Errorf("index: %d %s", a.Status, a.Body)
		}
		if s.CountResources() != 2 {
			t.Errorf("%d resources in the store", s.CountResources())
		}
		f.down.Store(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s.CountResources() != 0 || roost.Expiring(s) != 0 {
			t.Errorf("%d resources are left", s.CountResources())
		}
	})
}

// A resource that the store brought and the program declares ends when it was to, and a time to
// live that is another than before begins with the declaration.
func TestExpiryOfAdopted(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct {
		kept, declared []roost.Option
		ttl            string        // of a PUT, three hours after the resource was made
		want           time.Duration // from the declaration on, two hours after the PUT
	}{
		"a time where there was none":  {nil, []roost.Option{roost.WithTTL(hour)}, "", hour},
		"a shorter one":                {[]roost.Option{roost.WithTTL(9 * hour)}, []roost.Option{roost.WithTTL(hour)}, "", hour},
		"none any more":                {[]roost.Option{roost.WithTTL(9 * hour)}, nil, "", 0},
		"the same, and another type":   {[]roost.Option{roost.WithTTL(9 * hour)}, []roost.Option{roost.WithTTL(9 * hour), roost.WithContentType(roost.JSON)}, "", 7 * hour},
		"a client's, and another type": {[]roost.Option{roost.WithClientTTL()}, []roost.Option{roost.WithClientTTL(), roost.WithContentType(roost.JSON)}, "18000", 3 * hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := memory.New()
				defer st.Close()
				first, err := roost.New(t.Context(), roost.Config{Store: st})
				must(err)
				add(t, first, "/a", all, nil, c.kept...)
				time.Sleep(3 * hour)
				fields := []string{}
				if c.ttl != "" {
					fields = append(fields, "Roost-Ttl: "+c.ttl)
				}
				if a := direct(t, first, "PUT", "/a", "kept", fields...); a.Status != 204 {
					t.Fatal(a)
				}
				time.Sleep(2 * hour)
				must(first.Close())

				s, err := roost.New(t.Context(), roost.Config{Store: st})
				must(err)
				defer s.Close()
				r, err := s.AddResource(t.Context(), "/a", c.declared...)
				must(err)
				rep, err := r.Representation()
				if err != nil {
					t.Fatal(err)
				}
				want := time.Time{}
				if c.want > 0 {
					want = time.Now().Add(c.want)
				}
				if string(rep.Value()) != "kept" || !rep.Expires().Equal(want) {
					t.Errorf("%q until %v, want %v", rep.Value(), rep.Expires(), want)
				}
			})
		})
	}
}

// slow is a store that takes its time, as a disk does, for all that come together.
type slow struct {
	store.Store
	took atomic.Int64
}

func (s *slow) Commit(ctx context.Context, txn store.Txn) (uint64, error) {
	time.Sleep(time.Duration(s.took.Load()))
	return s.Store.Commit(ctx, txn)
}

// What expires is deleted as fast as it can be made: not one sync after the other.
func TestExpiriesShareTheStore(t *testing.T) {
	st := &slow{Store: memory.New()}
	s := start(t, roost.Config{Store: st, MaxURI: -1})
	for i := range 200 {
		_, err := s.AddResource(t.Context(), fmt.Sprintf("/%d", i), roost.WithTTL(300*time.Millisecond))
		must(err)
	}
	st.took.Store(int64(50 * time.Millisecond))
	for end := time.Now().Add(5 * time.Second); s.CountResources() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of 200 are still there", s.CountResources())
		}
	}
}
