// A module of its own, as a program that embeds Roost is. As Roost has no public
// home yet, the replace line names the folder of a clone.
module example.com/embed

go 1.26

require roost v0.0.0

require (
	github.com/dunglas/httpsfv v1.1.2 // indirect
	golang.org/x/sys v0.41.0 // indirect
)

replace roost => ../..
