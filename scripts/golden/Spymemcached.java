// Where spymemcached puts keys. Usage: Spymemcached host:port[*weight]... < keys
// Prints one base-36 digit for each line read.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.spy.memcached.DefaultHashAlgorithm;
import net.spy.memcached.KetamaNodeLocator;
import net.spy.memcached.MemcachedNode;
import net.spy.memcached.util.DefaultKetamaNodeLocatorConfiguration;

class Spymemcached {
  static MemcachedNode node(InetSocketAddress address) {
    return (MemcachedNode)
        Proxy.newProxyInstance(
            Spymemcached.class.getClassLoader(),
            new Class<?>[] {MemcachedNode.class},
            (self, method, arguments) ->
                switch (method.getName()) {
                  case "getSocketAddress" -> address;
                  case "hashCode" -> System.identityHashCode(self);
                  case "equals" -> self == arguments[0];
                  default -> throw new UnsupportedOperationException(method.getName());
                });
  }

  public static void main(String[] arguments) throws Exception {
    List<MemcachedNode> nodes = new ArrayList<>();
    Map<InetSocketAddress, Integer> weights = new HashMap<>();
    boolean weighted = false;
    for (String argument : arguments) {
      String[] parts = argument.split("[*]");
      int colon = parts[0].lastIndexOf(':');
      InetSocketAddress address =
          new InetSocketAddress(
              InetAddress.getByName(parts[0].substring(0, colon)),
              Integer.parseInt(parts[0].substring(colon + 1)));
      nodes.add(node(address));
      weights.put(address, parts.length > 1 ? Integer.parseInt(parts[1]) : 1);
      weighted |= parts.length > 1;
    }
    KetamaNodeLocator locator =
        weighted
            ? new KetamaNodeLocator(
                nodes,
                DefaultHashAlgorithm.KETAMA_HASH,
                weights,
                new DefaultKetamaNodeLocatorConfiguration())
            : new KetamaNodeLocator(nodes, DefaultHashAlgorithm.KETAMA_HASH);
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    StringBuilder digits = new StringBuilder();
    for (String key; (key = lines.readLine()) != null; ) {
      digits.append(Character.forDigit(nodes.indexOf(locator.getPrimary(key)), 36));
    }
    System.out.println(digits);
  }
}
