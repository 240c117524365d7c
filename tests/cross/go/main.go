// Values as gomemcached writes and reads them. gomemcached itself (github.com/shaoyuan1943) is not
// to be had from the Go module proxy, so this is the MessagePack library that it uses, in its
// version, and its rule: flags of exactly 1 mean MessagePack, and whatever has other flags is read
// only as raw bytes.
//
// "values write" prints a line for each value: NAME FLAGS HEX. "values read" takes lines of NAME
// TYPE FLAGS HEX, and answers each with NAME and the value as JSON, or NAME, "error" and why.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v4"
)

const msgpackFlag = 1

type user struct {
	Name string
	Tags []string
	Age  int
}

type named struct {
	name  string
	value interface{}
}

var values = []named{
	{"text", "hello"},
	{"non_ascii", "gr\u00fc\u00dfe, \u20ac \U0001f600"},
	{"empty_text", ""},
	{"long_text", strings.Repeat("abc", 30000)},
	{"int", 42},
	{"zero", 0},
	{"negative", -7},
	{"int8", int8(-100)},
	{"int16", int16(-30000)},
	{"int32", int32(-2000000000)},
	{"int64", int64(math.MaxInt64)},
	{"least_int64", int64(math.MinInt64)},
	{"small_int64", int64(5)},
	{"uint8", uint8(200)},
	{"uint16", uint16(60000)},
	{"uint32", uint32(4000000000)},
	{"uint64", uint64(math.MaxUint64)},
	{"true", true},
	{"false", false},
	{"float", 1.5},
	{"float32", float32(0.25)},
	{"large_float", 1e300},
	{"none", nil},
	{"list", []interface{}{1, "a", 2.5, nil, true}},
	{"strings", []string{"a", "b"}},
	{"empty_list", []int{}},
	{"dict", map[string]interface{}{"a": 1}},
	{"numbers", map[string]int{"n": -5}},
	{"nested", map[string]interface{}{"a": []interface{}{map[string]interface{}{"b": nil}}}},
	{"struct", user{"Ada", []string{"x", "y"}, 36}},
	{"pointer", &user{"Ada", nil, 36}},
	{"bytes", []byte{0, 1, 254, 255}},
	{"long_list", make([]int, 300)},
}

func write() error {
	for _, v := range values {
		var packed bytes.Buffer
		if err := msgpack.NewEncoder(&packed).Encode(v.value); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		fmt.Println(v.name, msgpackFlag, hex.EncodeToString(packed.Bytes()))
	}
	fmt.Println("raw", 0, hex.EncodeToString([]byte{0, 1, 254, 255}))
	return nil
}

// Somewhere to put a value of a type that a Go program would ask for.
func place(kind string) interface{} {
	switch kind {
	case "string":
		return new(string)
	case "int":
		return new(int)
	case "uint64":
		return new(uint64)
	case "float64":
		return new(float64)
	case "bool":
		return new(bool)
	case "bytes":
		return new([]byte)
	case "user":
		return new(user)
	case "strings":
		return new([]string)
	default:
		return new(interface{})
	}
}

func get(flags int, value []byte, into interface{}) error {
	if flags == msgpackFlag {
		return msgpack.NewDecoder(bytes.NewReader(value)).Decode(into)
	}
	raw, ok := into.(*[]byte)
	if !ok {
		return errors.New("not MessagePack, and not asked for as bytes")
	}
	*raw = append(*raw, value...)
	return nil
}

func read() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		words := strings.Split(lines.Text(), " ")
		flags, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		value, err := hex.DecodeString(words[3])
		if err != nil {
			return err
		}
		into := place(words[1])
		if err := get(flags, value, into); err != nil {
			fmt.Println(words[0], "error", err)
			continue
		}
		text, err := json.Marshal(into)
		if err != nil {
			return err
		}
		fmt.Println(words[0], string(text))
	}
	return lines.Err()
}

func main() {
	err := errors.New("usage: values write|read")
	if len(os.Args) == 2 && os.Args[1] == "write" {
		err = write()
	} else if len(os.Args) == 2 && os.Args[1] == "read" {
		err = read()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
