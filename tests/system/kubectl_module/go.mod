module ordinald.dev/tests/kubectl

go 1.22
