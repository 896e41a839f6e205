// Package python holds the shim by which scripts written for the module HTTP_Server of
// MicroPython run with CPython. It speaks the control API and nothing else: the command
// roost run starts it beside an engine.
package python

import "embed"

// Files is the folder roost with the shim. Its roost/runner.py is what an interpreter is
// started with.
//
//go:embed roost/*.py roost/compat/*.py
var Files embed.FS

// Runner is the path of the program in Files that runs a script.
const Runner = "roost/runner.py"
