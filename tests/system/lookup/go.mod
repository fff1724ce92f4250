module ordinald.dev/lookup

go 1.20
