# Values through dalli itself. Usage: dalli.rb SERVER PREFIX store
#                                     dalli.rb SERVER PREFIX read < names
# store sets a key PREFIX + name for each value, and prints the names. read prints, for each name, a
# line of JSON: {"name":, "class":, "encoding":, "value":} with bytes as hexadecimal digits.
require 'dalli'
require 'json'

class Point
  def initialize
    @x = 1
  end
end

Pair = Struct.new(:left, :right)

VALUES = {
  'text' => 'hello',
  'non_ascii' => "gr\u00fc\u00dfe, \u20ac \u{1f600}",
  'empty_text' => '',
  'ascii' => 'plain'.encode('US-ASCII'),
  'all_bytes' => (0..255).to_a.pack('C*'),
  'empty_bytes' => ''.b,
  'symbol' => :name,
  'zero' => 0,
  'int' => 42,
  'negative' => -7,
  'int_122' => 122,
  'int_123' => 123,
  'int_255' => 255,
  'int_256' => 256,
  'int_minus_123' => -123,
  'int_minus_124' => -124,
  'int_minus_256' => -256,
  'int_minus_257' => -257,
  'int30' => 2**30 - 1,
  'over_int30' => 2**30,
  'least_int30' => -2**30,
  'under_int30' => -2**30 - 1,
  'int64' => 2**63 - 1,
  'least_int64' => -2**63,
  'uint64' => 2**64 - 1,
  'big' => 10**40 + 1,
  'big_negative' => -10**40,
  'true' => true,
  'false' => false,
  'float' => 1.5,
  'whole_float' => 2.0,
  'tenth' => -0.1,
  'large_float' => 1e300,
  'least_float' => 5e-324,
  'none' => nil,
  'list' => [1, 'a', 2.5, nil, true, -300, 70_000, 2**40],
  'empty_list' => [],
  'dict' => { 'a' => 1 },
  'empty_dict' => {},
  'symbols' => { name: 'Ada', kind: :user, other: { kind: :user } },
  'nested' => { 'a' => [{ 'b' => nil }, [[]]], 'c' => { 'd' => 'e' } },
  'twice' => ['same'] * 2,
  'long_text' => 'abc' * 30_000,
  'long_list' => (0...300).to_a,
  'point' => Point.new,
  'struct' => Pair.new(1, 2),
  'time' => Time.at(0),
  'class' => Point,
  'regexp' => /a/,
  'range' => (1..2)
}.freeze

def described(name, value)
  bytes = value.is_a?(String) && value.encoding == Encoding::BINARY
  { name: name, class: value.class.name, encoding: value.is_a?(String) ? value.encoding.name : nil,
    value: bytes ? value.unpack1('H*') : value }
end

server, prefix, what = ARGV
client = Dalli::Client.new(server, socket_timeout: 10)
case what
when 'store'
  VALUES.each do |name, value|
    client.set(prefix + name, value) or abort "dalli did not store #{name}"
    puts name
  end
  client.set("#{prefix}raw", 'raw bytes', 0, raw: true)
when 'read'
  STDIN.each_line(chomp: true) do |name|
    puts JSON.generate(described(name, client.get(prefix + name)))
  end
else
  abort 'usage: dalli.rb SERVER PREFIX store|read'
end
