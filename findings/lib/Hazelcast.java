// Hazelcast with its memcached protocol on loopback: prints "PORT <number>" when it listens.
import com.hazelcast.config.Config;
import com.hazelcast.config.MemcacheProtocolConfig;
import com.hazelcast.core.HazelcastInstance;

public final class Hazelcast {
  public static void main(String[] words) throws Exception {
    System.setProperty("hazelcast.phone.home.enabled", "false");
    System.setProperty("hazelcast.socket.bind.any", "false");
    var config = new Config();
    var network = config.getNetworkConfig();
    network.setPort(0);
    network.getInterfaces().setEnabled(true).addInterface("127.0.0.1");
    network.getJoin().getMulticastConfig().setEnabled(false);
    network.getJoin().getAutoDetectionConfig().setEnabled(false);
    network.setMemcacheProtocolConfig(new MemcacheProtocolConfig().setEnabled(true));
    HazelcastInstance member = com.hazelcast.core.Hazelcast.newHazelcastInstance(config);
    System.out.println("PORT " + member.getCluster().getLocalMember().getAddress().getPort());
    Thread.sleep(120_000);
    Runtime.getRuntime().halt(0);
  }
}
