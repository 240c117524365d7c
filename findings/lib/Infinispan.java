// Infinispan's memcached endpoint on loopback: prints "PORT <number>" when it listens.
import java.net.InetAddress;
import java.net.ServerSocket;
import org.infinispan.configuration.cache.ConfigurationBuilder;
import org.infinispan.configuration.global.GlobalConfigurationBuilder;
import org.infinispan.manager.DefaultCacheManager;
import org.infinispan.server.memcached.MemcachedServer;
import org.infinispan.server.memcached.configuration.MemcachedServerConfigurationBuilder;

public final class Infinispan {
  private static final String HOST = "127.0.0.1";
  private static final String CACHE = "items";

  @SuppressWarnings("removal") // 15.0 has no other way
  public static void main(String[] words) throws Exception {
    int port; // it takes no 0
    try (var free = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
      port = free.getLocalPort();
    }
    var global = new GlobalConfigurationBuilder().nonClusteredDefault().defaultCacheName(CACHE);
    var caches = new DefaultCacheManager(global.build(), new ConfigurationBuilder().build());
    var settings = new MemcachedServerConfigurationBuilder();
    settings.host(HOST).port(port).defaultCacheName(CACHE);
    var server = new MemcachedServer();
    server.start(settings.build(), caches);
    server.postStart();
    System.out.println("PORT " + port);
    Thread.sleep(120_000);
    Runtime.getRuntime().halt(0);
  }
}
