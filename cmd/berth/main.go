// Command berth is the server, the sandbox and the client of Berth.
package main

import (
	"os"

	"github.com/berthdev/berth/internal/cli"
)

func main() { os.Exit(cli.Main()) }
