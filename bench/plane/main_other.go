//go:build !linux

// Command plane measures on Linux only: it needs /proc and processors to be kept to.
package main

import "fmt"

func main() { fmt.Println("plane: measures on Linux only") }
