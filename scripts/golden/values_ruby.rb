#!/usr/bin/env ruby
# Makes tests/codec/golden/ruby.txt: what Ruby's Marshal writes, and what that is to memcxx.
#
# Usage: values_ruby.rb   (the committed file is of Ruby 3.1)
#
# Each line is VERSION BYTES SIGN NODES, as in values_marshal.py.
require "bigdecimal"
require "set"

OUT = File.join(__dir__, "../../tests/codec/golden/ruby.txt")

def hexed(bytes) = bytes.unpack1("H*")

def nodes(v)
  case v
  when nil then "n"
  when true then "T"
  when false then "F"
  when Integer then "i#{v}"
  when Float then "f" + hexed([v].pack("G"))
  when String, Symbol
    text = [Encoding::UTF_8, Encoding::US_ASCII].include?(v.encoding) && v.to_s.valid_encoding?
    (text ? "t" : "b") + hexed(v.to_s)
  when Array then "[" + v.map { |x| nodes(x) }.join(",") + "]"
  when Hash then "{" + v.map { |k, x| nodes(k) + ":" + nodes(x) }.join(",") + "}"
  end
end

def integers
  widths = [0, 1, 6, 7, 8, 9, 15, 16, 17, 23, 24, 25, 29, 30, 31, 32, 33, 47, 48, 61, 62, 63, 64,
            65, 72, 80, 500]
  near = widths.flat_map { |bits| [2**bits - 1, 2**bits, 2**bits + 1] }
  near += [122, 123, 124, 10**4300 - 1]
  (near + near.map(&:-@)).uniq
end

def floats
  exact = [0.0, -0.0, 1.5, 0.1, -1e300, 5e-324, Float::MIN, Float::MAX, Float::EPSILON,
           Float::INFINITY, -Float::INFINITY, Float::NAN, 100.0, 1e15, 1e16, 1e20,
           1e21, 1e22, 123456.789, 0.001, 0.0001, 0.00001, 1.25e-5, 123e-7,
           9007199254740993.0, 2.0**62, 2.0**-44]
  exact + (-60..60).map { |e| 1.7 * 10.0**(5 * e) }
end

# Everything that memcxx writes the same.
def plain
  [nil, true, false, *integers, *floats,
   "", "ascii", "h\u00e9", "\u65e5\u672c\u{1f600}", "nul\0nul", "x" * 122, "x" * 123, "x" * 255,
   "x" * 256, "\u00e9" * 150,
   "".b, "\xff\x00".b, (0..255).to_a.pack("C*"),
   [], {}, [[[], [[]]], { "deep" => { "deeper" => [nil] } }],
   [1, -1, 2**40, 2.5, nil, true, "text", "\x01\x02".b], (0..300).to_a,
   { "one" => 1, "two" => [2.0, "zwei"], 3 => nil, nil => true, 2.5 => false, [1] => { 2 => 3 } },
   # Equal floats are one object where they are held in the reference, and integers are not.
   [1.5, [1.5, 2**40, 2**40, 2**70, 2**70, "a".dup, "a".dup], { 1.5 => 0.0, 0.0 => 1.5 },
    1e300, 1e300, -0.0, -0.0, 1.5, 0.0]]
end

def read_only
  shared = ["shared \u00e9", "\t\t".b, 2**80, 0.25, 1e300]
  counted = Hash.new(7).merge("one" => 1)
  [:symbol, :"sch\u00f6n", [:a, :b, :a, { a: :b, "a" => :"\u00e9" }, :"\u00e9"],
   "ascii".encode("US-ASCII"), "\xff".dup.force_encoding("US-ASCII"), "\xff".dup,
   "\u65e5".encode("Shift_JIS"),
   ["a".encode("Shift_JIS"), "b".encode("Shift_JIS"), shared, shared],
   "latin \xe9".dup.force_encoding("ISO-8859-1"), "\u00e9".encode("UTF-16LE"),
   "\xa4\xa2".dup.force_encoding("EUC-JP").to_sym,
   ["\xa4\xa2".dup.force_encoding("EUC-JP").to_sym, "x".encode("EUC-JP"), shared, shared],
   [shared, shared, { "again" => shared }, shared[0], shared[2], shared[4]],
   counted, [Hash.new("default \u00e9".dup).merge(1 => 2), shared[0], shared[0]],
   [{ "key" => 1 }, { "key" => 2 }]]
end

Pair = Struct.new(:left, :right)
module Mixed; end
class Name < String; end
class Thing; def initialize = @inside = 1; end

def refused
  loop_array = []
  loop_array << loop_array
  with_variable = "text".dup
  with_variable.instance_variable_set(:@more, 1)
  array_with_variable = []
  array_with_variable.instance_variable_set(:@more, 1)
  [loop_array, with_variable, array_with_variable, Time.at(0), Pair.new(1, 2), Name.new("text"),
   Thing.new, [1, Thing.new], 1i, 1r, 1..2, /regular/, String, Kernel, BigDecimal("1.5"), Set[1],
   "text".dup.extend(Mixed), {}.compare_by_identity.merge("a" => 1)]
end

version = RUBY_VERSION[/\d+\.\d+/]
all = { "=" => plain, "<" => read_only, "!" => refused, "^" => [10**4300] }
lines = all.flat_map do |sign, values|
  values.map do |v|
    "#{version} #{hexed(Marshal.dump(v))} #{sign} #{"!^".include?(sign) ? "-" : nodes(v)}\n"
  end
end
File.write(OUT, lines.uniq.join)
