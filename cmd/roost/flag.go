package main

import "fmt"

// single is a flag with one value, which parse reads and checks.
type single[T any] struct {
	to         *T
	text, kind string
	parse      func(string) (T, error)
}

// newSingle makes a flag whose value is called kind in the help. initial, unless
// it is empty, is the value by default.
func newSingle[T any](to *T, kind, initial string, parse func(string) (T, error)) *single[T] {
	v := &single[T]{to: to, kind: kind, parse: parse}
	mustSet(v, initial)
	return v
}

func (v *single[T]) String() string { return v.text }
func (v *single[T]) Type() string   { return v.kind }

func (v *single[T]) Set(s string) error {
	parsed, err := v.parse(s)
	if err != nil {
		return err
	}
	*v.to, v.text = parsed, s
	return nil
}

// multiple is a flag that can be repeated. The first time it is set replaces what
// was there by default.
type multiple[T any] struct {
	to         *[]T
	text, kind string
	parse      func(string) (T, error)
	given      bool
}

func newMultiple[T any](to *[]T, kind, initial string, parse func(string) (T, error)) *multiple[T] {
	v := &multiple[T]{to: to, kind: kind, parse: parse}
	mustSet(v, initial)
	v.given = false
	return v
}

func (v *multiple[T]) String() string { return v.text }
func (v *multiple[T]) Type() string   { return v.kind }
func (v *multiple[T]) repeatable()    {}

func (v *multiple[T]) Set(s string) error {
	parsed, err := v.parse(s)
	if err != nil {
		return err
	}
	if !v.given {
		*v.to, v.given = nil, true
	}
	*v.to, v.text = append(*v.to, parsed), s
	return nil
}

// mustSet sets what this program itself gives as a default.
func mustSet(v interface{ Set(string) error }, initial string) {
	if initial == "" {
		return
	}
	if err := v.Set(initial); err != nil {
		panic(fmt.Sprintf("default %q: %v", initial, err))
	}
}
