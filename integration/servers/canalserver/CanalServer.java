import com.alibaba.otter.canal.connector.kafka.producer.CanalKafkaProducer;
import com.alibaba.otter.canal.instance.core.CanalMQConfig;
import com.alibaba.otter.canal.instance.manager.CanalInstanceWithManager;
import com.alibaba.otter.canal.instance.manager.model.Canal;
import com.alibaba.otter.canal.instance.manager.model.CanalParameter;
import com.alibaba.otter.canal.server.CanalMQStarter;
import com.alibaba.otter.canal.server.embedded.CanalServerWithEmbedded;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Properties;

/**
 * Starts Canal with one instance that reads a MySQL server and writes flat messages to one topic of Kafka, as Canal's deployer does, whose last release in
 * public repositories is older than Canal's. The argument is a file of properties: mysql.*, filter, topic, partitions and dir are ours, canal.* and kafka.*
 * are Canal's own.
 */
public final class CanalServer {
  private static final String DESTINATION = "instance";

  public static void main(String[] args) throws Exception {
    Properties p = new Properties();
    try (InputStream in = new FileInputStream(args[0])) {
      p.load(in);
    }
    CanalServerWithEmbedded server = CanalServerWithEmbedded.instance();
    server.setCanalInstanceGenerator(name -> new Instance(p));
    server.start();
    server.start(DESTINATION);

    CanalKafkaProducer producer = new CanalKafkaProducer();
    producer.init(p);
    new CanalMQStarter(producer).start(DESTINATION);
    Thread.currentThread().join(); // until it is killed
  }

  private static CanalParameter parameters(Properties p) {
    CanalParameter c = new CanalParameter();
    c.setDbAddresses(List.of(new InetSocketAddress(p.getProperty("mysql.host"), Integer.parseInt(p.getProperty("mysql.port")))));
    c.setDbUsername(p.getProperty("mysql.user"));
    c.setDbPassword(p.getProperty("mysql.password"));
    c.setDefaultDatabaseName("");
    c.setSlaveId(Long.parseLong(p.getProperty("mysql.server_id")));
    String gtid = p.getProperty("mysql.gtid");
    c.setPositions(List.of(gtid.isEmpty()
        ? "{\"journalName\":\"" + p.getProperty("mysql.file") + "\",\"position\":" + p.getProperty("mysql.offset") + "}"
        : "{\"gtid\":\"" + gtid + "\"}"));
    c.setIndexMode(CanalParameter.IndexMode.MEMORY_META_FAILBACK); // after a restart: where the reader of its batches was
    c.setMetaMode(CanalParameter.MetaMode.LOCAL_FILE);
    c.setDataDir(p.getProperty("dir"));
    c.setMetaFileFlushPeriod(10000);
    c.setDetectingEnable(false);
    c.setTsdbEnable(false);
    c.setGtidEnable(!gtid.isEmpty());
    return c;
  }

  private static final class Instance extends CanalInstanceWithManager {
    Instance(Properties p) {
      super(canal(p), p.getProperty("filter"));
      mqConfig = new CanalMQConfig();
      mqConfig.setTopic(p.getProperty("topic"));
      int partitions = Integer.parseInt(p.getProperty("partitions"));
      if (partitions == 1) {
        mqConfig.setPartition(0);
      } else {
        mqConfig.setPartitionsNum(partitions);
        mqConfig.setPartitionHash(".*\\..*:$pk$");
      }
    }

    private static Canal canal(Properties p) {
      Canal c = new Canal();
      c.setId(1L);
      c.setName(DESTINATION);
      c.setCanalParameter(parameters(p));
      return c;
    }
  }
}
