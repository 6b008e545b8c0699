// Petrel: StackStorm for chat, in one program. See the README.
package main

import (
	"os"

	"petrel/bot/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
