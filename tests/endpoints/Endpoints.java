// Servers of others that have a memcached endpoint, one for each process, on loopback:
//   java Endpoints infinispan|hazelcast
// prints "PORT <number>" when it listens, and ends with its standard input.
// Never here: what they are expected to answer (endpoints_test.cpp).
import com.hazelcast.config.Config;
import com.hazelcast.config.MemcacheProtocolConfig;
import com.hazelcast.core.Hazelcast;
import java.net.InetAddress;
import java.net.ServerSocket;
import org.infinispan.configuration.cache.ConfigurationBuilder;
import org.infinispan.configuration.global.GlobalConfigurationBuilder;
import org.infinispan.manager.DefaultCacheManager;
import org.infinispan.server.memcached.MemcachedServer;
import org.infinispan.server.memcached.configuration.MemcachedServerConfigurationBuilder;

public final class Endpoints {
  private static final String HOST = "127.0.0.1";
  private static final String CACHE = "default";

  public static void main(String[] words) throws Exception {
    int port =
        switch (words[0]) {
          case "infinispan" -> infinispan();
          case "hazelcast" -> hazelcast();
          default -> throw new IllegalArgumentException(words[0]);
        };
    System.out.println("PORT " + port);
    System.out.flush();
    while (System.in.read() >= 0) {}
    Runtime.getRuntime().halt(0); // it holds nothing that is worth a slow goodbye
  }

  @SuppressWarnings("removal") // 15.0 has no other way
  private static int infinispan() throws Exception {
    int port; // it takes no 0
    try (var free = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
      port = free.getLocalPort();
    }
    var global = new GlobalConfigurationBuilder().nonClusteredDefault();
    global.defaultCacheName(CACHE);
    var caches = new DefaultCacheManager(global.build(), new ConfigurationBuilder().build());
    var settings = new MemcachedServerConfigurationBuilder();
    settings.host(HOST).port(port).defaultCacheName(CACHE);
    var server = new MemcachedServer();
    server.start(settings.build(), caches);
    server.postStart();
    return port;
  }

  private static int hazelcast() {
    System.setProperty("hazelcast.phone.home.enabled", "false");
    System.setProperty("hazelcast.socket.bind.any", "false");
    var config = new Config();
    var network = config.getNetworkConfig();
    network.setPort(0);
    network.getInterfaces().setEnabled(true).addInterface(HOST);
    network.getJoin().getMulticastConfig().setEnabled(false);
    network.getJoin().getAutoDetectionConfig().setEnabled(false);
    network.setMemcacheProtocolConfig(new MemcacheProtocolConfig().setEnabled(true));
    return Hazelcast.newHazelcastInstance(config)
        .getCluster()
        .getLocalMember()
        .getAddress()
        .getPort();
  }
}
