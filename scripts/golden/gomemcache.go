// Where bradfitz/gomemcache puts keys. Usage: gomemcache host:port... < keys
// Prints one base-36 digit for each line read.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/bradfitz/gomemcache/memcache"
)

func main() {
	servers := os.Args[1:]
	var list memcache.ServerList
	if err := list.SetServers(servers...); err != nil {
		panic(err)
	}
	index := map[string]int{}
	for i, server := range servers {
		index[server] = i
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		address, err := list.PickServer(lines.Text())
		if err != nil {
			panic(err)
		}
		fmt.Printf("%c", "0123456789abcdefghijklmnopqrstuvwxyz"[index[address.String()]])
	}
	fmt.Println()
}
