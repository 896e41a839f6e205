//go:build !linux

// Command durable measures on Linux only: it needs /proc.
package main

import "fmt"

func main() { fmt.Println("durable: measures on Linux only") }
