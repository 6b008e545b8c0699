//go:build !linux

package sqlite

func runChild() {} // process_test.go needs Linux
