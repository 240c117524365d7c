// Where jump hashing puts keys: md5's first little-endian word is the key, and a server of weight w
// holds w buckets. Usage: jump host:port[*weight]... < keys
// Prints one base-36 digit for each line read.
package main

import (
	"bufio"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/dgryski/go-jump"
)

func main() {
	var places []int
	for i, server := range os.Args[1:] {
		weight := 1
		if _, text, found := strings.Cut(server, "*"); found {
			var err error
			if weight, err = strconv.Atoi(text); err != nil {
				panic(err)
			}
		}
		for ; weight > 0; weight-- {
			places = append(places, i)
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		digest := md5.Sum(lines.Bytes())
		bucket := jump.Hash(uint64(binary.LittleEndian.Uint32(digest[:])), len(places))
		fmt.Printf("%c", "0123456789abcdefghijklmnopqrstuvwxyz"[places[bucket]])
	}
	fmt.Println()
}
