# How dalli stores values. Usage: values_dalli.rb with a server in MEMCXX_SERVERS.
# Prints "NAME FLAGS HEX" for each of the values of value_cases.py; it has them once more, because
# they are Ruby's here.
require 'dalli'
require 'socket'

SERVER = ENV['MEMCXX_SERVERS'].split(',').first

VALUES = {
  'text' => "h\u00e9 \u65e5\u{1f600} a\\b\nc", 'empty_text' => '',
  'zero' => 0, 'int' => 5, 'negative' => -7, 'byte' => 200, 'short' => 60_000,
  'int31' => 2**31 - 1, 'int32' => 2**31, 'int63' => 2**63 - 1, 'lowest' => -2**63,
  'int64' => 2**64 - 1, 'big' => 2**70, 'negative_big' => -2**70,
  'true' => true, 'false' => false, 'float' => 1.5, 'tenth' => 0.1, 'large_float' => -1e300,
  'infinity' => Float::INFINITY, 'none' => nil, 'empty_list' => [], 'empty_map' => {},
  'list' => [1, -1, 300, 70_000, 2**40, 2.5, nil, true, false, 'a', "\u00e9"],
  'bytes_in_list' => ["b\xff".b, ''.b], 'map' => { 'a' => [1, { 'b' => { 2 => 'c' } }] },
  'long_list' => (0...1500).to_a, 'long_text' => "\u00e9" * 300,
  'compressed_text' => "ab\u00e9" * 200, 'compressed_list' => ['abc' * 100, 'abd' * 100]
}.freeze
RAW = { 'bytes' => "ab\x00\r\n\xff".b, 'empty_bytes' => ''.b,
        'compressed_bytes' => 'abc'.b * 200 }.freeze

def stored(key)
  TCPSocket.open(*SERVER.split(':')) do |s|
    s.write("get #{key}\r\n")
    reply = +''.b
    reply << s.readpartial(1 << 16) until reply.end_with?("END\r\n")
    head, rest = reply.split("\r\n", 2)
    words = head.split
    [words[2].to_i, rest.byteslice(0, words[3].to_i)]
  end
end

def client(name)
  Dalli::Client.new(SERVER, compress: name.start_with?('compressed'), compression_min_size: 101)
end

[[VALUES, {}], [RAW, { raw: true }]].each do |values, options|
  values.each do |name, v|
    key = "dalli:#{name}"
    client(name).set(key, v, nil, options)
    raise "#{name} reads back otherwise" unless client(name).get(key) == v

    flags, bytes = stored(key)
    puts "#{name} #{flags} #{bytes.empty? ? '-' : bytes.unpack1('H*')}"
  end
end
