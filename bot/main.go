// Petrel: StackStorm for chat, in one program. See the README.
package main

import (
	"os"
	_ "time/tzdata" // time zones of timers, on machines that have none

	"petrel/bot/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
