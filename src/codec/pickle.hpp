// What the reader and the writer of pickles have in common: the opcodes (CPython's pickletools.py;
// PEP 307, PEP 3154, PEP 574).
// Never here: the machine that runs them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace memcxx::codecs::pickle {

enum class op : unsigned char {
  // Protocol 0.
  mark = '(',
  stop = '.',
  pop = '0',
  dup = '2',
  float_text = 'F',
  int_text = 'I',
  long_text = 'L',
  none = 'N',
  persid = 'P',
  reduce = 'R',
  string_text = 'S',
  unicode_text = 'V',
  append = 'a',
  build = 'b',
  global = 'c',
  dict = 'd',
  get = 'g',
  inst = 'i',
  list = 'l',
  put = 'p',
  setitem = 's',
  tuple = 't',
  // Protocol 1.
  pop_mark = '1',
  empty_tuple = ')',
  empty_list = ']',
  empty_dict = '}',
  binfloat = 'G',
  binint = 'J',
  binint1 = 'K',
  binint2 = 'M',
  binpersid = 'Q',
  binstring = 'T',
  short_binstring = 'U',
  binunicode = 'X',
  appends = 'e',
  binget = 'h',
  long_binget = 'j',
  obj = 'o',
  binput = 'q',
  long_binput = 'r',
  setitems = 'u',
  // Protocol 2.
  proto = 0x80,
  newobj = 0x81,
  ext1 = 0x82,
  ext2 = 0x83,
  ext4 = 0x84,
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  newtrue = 0x88,
  newfalse = 0x89,
  long1 = 0x8a,
  long4 = 0x8b,
  // Protocol 3.
  binbytes = 'B',
  short_binbytes = 'C',
  // Protocol 4.
  short_binunicode = 0x8c,
  binunicode8 = 0x8d,
  binbytes8 = 0x8e,
  empty_set = 0x8f,
  additems = 0x90,
  frozenset = 0x91,
  newobj_ex = 0x92,
  stack_global = 0x93,
  memoize = 0x94,
  frame = 0x95,
  // Protocol 5.
  bytearray8 = 0x96,
  next_buffer = 0x97,
  readonly_buffer = 0x98,
};

inline constexpr unsigned highest_protocol = 5;

// Bytes before protocol 3 are a call of this function with their Latin-1 text and this name. No
// bytes are a call of the type.
inline constexpr std::string_view encode_module = "_codecs";
inline constexpr std::string_view encode_name = "encode";
inline constexpr std::string_view latin1_name = "latin1";
inline constexpr std::string_view bytes_module = "__builtin__";  // "builtins" without fix_imports
inline constexpr std::string_view bytes_name = "bytes";

// Text as protocol 0 has it: Latin-1, with \uxxxx and \Uxxxxxxxx for everything else. The result is
// UTF-8 but for surrogates. Empty when an escape is cut off or above U+10FFFF.
std::optional<std::string> unescape_unicode(std::string_view line);
// Appends it as CPython escapes it. `utf8` is UTF-8.
void escape_unicode(std::string_view utf8, std::string& out);
// What repr made of Python 2's str: quotes around, and escapes as in C. Empty when it is not that.
std::optional<std::string> unquote(std::string_view line);
// Empty when there is a code point above U+00FF. `utf8` is UTF-8.
std::optional<std::string> latin1_of(std::string_view utf8);
std::string utf8_of_latin1(std::string_view bytes);

}  // namespace memcxx::codecs::pickle
