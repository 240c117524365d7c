// How gomemcached stores values: MessagePack by the library that it uses, behind flags 1, and bytes
// as they are behind 0. The client itself is in no registry; the flags are from what it is known to
// do. Usage: values_gomemcached. Prints "NAME FLAGS HEX" for values of value_cases.py.
package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/vmihailenco/msgpack/v4"
)

func show(name string, flags int, stored []byte) {
	hex := fmt.Sprintf("%x", stored)
	if hex == "" {
		hex = "-"
	}
	fmt.Printf("%s %d %s\n", name, flags, hex)
}

func encoded(name string, v interface{}) {
	var out bytes.Buffer
	if err := msgpack.NewEncoder(&out).Encode(v); err != nil {
		panic(err)
	}
	show(name, 1, out.Bytes())
}

func main() {
	show("bytes", 0, []byte("ab\x00\r\n\xff"))
	show("empty_bytes", 0, []byte{})
	encoded("text", "h\u00e9 \u65e5\U0001f600 a\\b\nc")
	encoded("empty_text", "")
	encoded("zero", 0)
	encoded("int", 5)
	encoded("negative", -7)
	encoded("byte", 200)
	encoded("short", 60000)
	encoded("int31", math.MaxInt32)
	encoded("int32", int64(math.MaxInt32)+1)
	encoded("int63", int64(math.MaxInt64))
	encoded("lowest", int64(math.MinInt64))
	encoded("int64", uint64(math.MaxUint64))
	encoded("true", true)
	encoded("false", false)
	encoded("float", 1.5)
	encoded("tenth", 0.1)
	encoded("large_float", -1e300)
	encoded("infinity", math.Inf(1))
	encoded("none", nil)
	encoded("empty_list", []interface{}{})
	encoded("empty_map", map[string]interface{}{})
	encoded("bytes_in_list", [][]byte{{'b', 0xff}, {}})
	encoded("long_text", strings.Repeat("\u00e9", 300))
}
