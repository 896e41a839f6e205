//go:build !linux

// Command watch measures on Linux only: it needs /proc/self/smaps_rollup.
package main

import "fmt"

func main() { fmt.Println("watch: measures on Linux only") }
