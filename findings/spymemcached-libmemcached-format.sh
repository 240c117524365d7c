#!/usr/bin/env bash
# spymemcached 2.12.3: with its ring format LIBMEMCACHED keys are on other servers than with libmemcached when servers are given by address, since it hashes their looked-up names; the default format agrees.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

jars net.spy:spymemcached:2.12.3
pip_packages pylibmc==1.6.3
ports=()
for _ in 1 2 3; do
  start_memcached
  ports+=("$port")
done

cat >"$temp/Ring.java" <<'JAVA'
import java.net.InetSocketAddress;
import java.util.*;
import net.spy.memcached.*;

public class Ring {
  public static void main(String[] ports) throws Exception {
    var rings = new ArrayList<NodeLocator>();
    for (var format : KetamaNodeKeyFormatter.Format.values()) {
      var servers = new ArrayList<InetSocketAddress>();
      for (String port : ports) {
        servers.add(new InetSocketAddress("127.0.0.1", Integer.parseInt(port)));
      }
      rings.add(new MemcachedClient(new KetamaConnectionFactory() {
        @Override public NodeLocator createLocator(List<MemcachedNode> nodes) {
          return new KetamaNodeLocator(nodes, getHashAlg(), format, new HashMap<>());
        }
      }, servers).getNodeLocator());
    }
    for (int at = 0; at < 1000; ++at) {
      for (int ring = 0; ring < rings.size(); ++ring) {
        var home = (InetSocketAddress) rings.get(ring).getPrimary("key:" + at).getSocketAddress();
        System.out.println(KetamaNodeKeyFormatter.Format.values()[ring] + " " + home.getPort());
      }
    }
    Runtime.getRuntime().halt(0);
  }
}
JAVA
timeout 60 java -cp "$temp/jars/*" "$temp/Ring.java" "${ports[@]}" >"$temp/rings" 2>"$temp/ring.log"

say "1000 keys, three servers: how many does libmemcached (weighted ketama) place alike"
timeout 60 "$temp/venv/bin/python" - "$temp/rings" "${ports[@]}" <<'PYTHON' || fail "placed otherwise"
import sys

import pylibmc

rings = {}
for line in open(sys.argv[1], encoding="ascii"):
    name, home = line.split()
    rings.setdefault(name, []).append(home)
alone = {port: pylibmc.Client([f"127.0.0.1:{port}"]) for port in sys.argv[2:]}
same = {}
for host in ("127.0.0.1", "localhost"):
    client = pylibmc.Client([f"{host}:{port}" for port in alone],
                            behaviors={"ketama_weighted": True})
    for at in range(1000):
        client.set(f"key:{at}", host)
        home = next(port for port in alone if alone[port].get(f"key:{at}") == host)
        for name, homes in rings.items():
            same[name, host] = same.get((name, host), 0) + (homes[at] == home)
for (name, host), count in same.items():
    print(f"spymemcached, format {name}, given 127.0.0.1; libmemcached, given {host}: {count}")
assert same["SPYMEMCACHED", "127.0.0.1"] == 1000
assert same["LIBMEMCACHED", "127.0.0.1"] < 600
assert same["LIBMEMCACHED", "localhost"] == 1000, "127.0.0.1 has to lead to the name localhost"
PYTHON
