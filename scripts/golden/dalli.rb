# Where dalli puts keys. Usage: dalli.rb ATTEMPT host:port[*weight]... < keys
# Prints one base-36 digit for each line read.
require 'dalli'

attempt = ARGV.shift.to_i
failures = 0
servers = ARGV.map { |server| Dalli::Protocol::Binary.new(server.tr('*', ':')) }
servers.each do |server|
  server.define_singleton_method(:alive?) do
    failures -= 1
    failures.negative?
  end
end
ring = Dalli::Ring.new(servers, threadsafe: false)

STDIN.binmode
digits = STDIN.each_line("\n", chomp: true).map do |key|
  failures = attempt
  servers.index(ring.server_for_key(key)).to_s(36)
end
puts digits.join
