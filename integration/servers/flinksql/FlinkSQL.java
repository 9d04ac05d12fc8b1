import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.flink.client.deployment.executors.PipelineExecutorUtils;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.DeploymentOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.core.execution.PipelineExecutor;
import org.apache.flink.core.execution.PipelineExecutorFactory;
import org.apache.flink.core.execution.PipelineExecutorServiceLoader;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.minicluster.MiniClusterJobClient;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs Flink SQL over one embedded cluster. Each line of stdin is a request, {"script":"…;…;","limit":0,"timeout_ms":60000},
 * whose statements run in a session of their own. The rows of its queries are printed as they come, one JSON document a line:
 *
 * <pre>
 *   {"columns":["id","name"],"types":["INT NOT NULL","STRING"]}
 *   {"kind":"+I","row":["1","a"]}
 *   {"done":true}    or {"done":true,"timeout":true}, or {"error":"…"}
 * </pre>
 *
 * limit ends a query after so many rows, timeout_ms after that time. Every value is a text: numbers with all their digits, bytes in
 * hexadecimal, times in ISO form; arrays and rows are JSON arrays of such texts, maps objects.
 */
public final class FlinkSQL {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern SET = Pattern.compile("(?is)SET\\s+'([^']*)'\\s*=\\s*'([^']*)'");

  private final PrintStream out;
  private final MiniCluster cluster;

  private FlinkSQL(PrintStream out, MiniCluster cluster) {
    this.out = out;
    this.cluster = cluster;
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    System.setOut(System.err); // what libraries print is no answer
    Configuration config = new Configuration();
    config.set(TaskManagerOptions.NUM_TASK_SLOTS, 8);
    config.set(TaskManagerOptions.NETWORK_MEMORY_MIN, MemorySize.ofMebiBytes(32));
    config.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.ofMebiBytes(32));
    config.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(64));
    MiniClusterConfiguration mini = new MiniClusterConfiguration.Builder().setConfiguration(config)
        .setNumTaskManagers(1).setNumSlotsPerTaskManager(8).withRandomPorts().build();
    try (MiniCluster cluster = new MiniCluster(mini)) {
      cluster.start();
      FlinkSQL sql = new FlinkSQL(out, cluster);
      sql.print(JSON.createObjectNode().put("ready", true));
      BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        sql.answer(JSON.readTree(line));
      }
    }
    System.exit(0);
  }

  private void print(ObjectNode node) {
    out.println(node);
    out.flush();
  }

  private void answer(JsonNode request) {
    ObjectNode end = JSON.createObjectNode();
    try {
      StreamTableEnvironment session = session();
      for (String statement : statements(request.get("script").asText())) {
        if (run(session, statement, request)) {
          end.put("timeout", true);
        }
      }
      end.put("done", true);
    } catch (Throwable t) {
      end.removeAll();
      end.put("error", chain(t));
    }
    print(end);
  }

  /** A session whose jobs run in our cluster: by default Flink would start another one for each. */
  private StreamTableEnvironment session() {
    Configuration config = new Configuration();
    config.set(DeploymentOptions.TARGET, "ours");
    config.setString("parallelism.default", "1");
    config.setString("table.local-time-zone", "UTC");
    PipelineExecutor executor = (pipeline, c, loader) -> {
      var graph = PipelineExecutorUtils.getJobGraph(pipeline, c, loader);
      return cluster.submitJob(graph).thenApply(r ->
          new MiniClusterJobClient(r.getJobID(), cluster, loader, MiniClusterJobClient.JobFinalizationBehavior.NOTHING));
    };
    PipelineExecutorFactory factory = new PipelineExecutorFactory() {
      @Override public String getName() { return "ours"; }
      @Override public boolean isCompatibleWith(Configuration c) { return true; }
      @Override public PipelineExecutor getExecutor(Configuration c) { return executor; }
    };
    PipelineExecutorServiceLoader loader = new PipelineExecutorServiceLoader() {
      @Override public PipelineExecutorFactory getExecutorFactory(Configuration c) { return factory; }
      @Override public Stream<String> getExecutorNames() { return Stream.of("ours"); }
    };
    return StreamTableEnvironment.create(new StreamExecutionEnvironment(loader, config, FlinkSQL.class.getClassLoader()));
  }

  /** Runs one statement to its end and reports whether its time was over before. */
  private boolean run(StreamTableEnvironment session, String statement, JsonNode request) throws Exception {
    Matcher set = SET.matcher(statement);
    if (set.matches()) {
      session.getConfig().set(set.group(1), set.group(2));
      return false;
    }
    TableResult result = session.executeSql(statement);
    long timeout = request.path("timeout_ms").asLong(60000);
    if (result.getJobClient().isEmpty()) {
      return false;
    }
    if (statement.regionMatches(true, 0, "INSERT", 0, 6)) {
      result.await(timeout, TimeUnit.MILLISECONDS);
      return false;
    }
    return rows(result, request.path("limit").asLong(0), timeout);
  }

  private boolean rows(TableResult result, long limit, long timeout) throws Exception {
    ObjectNode head = JSON.createObjectNode();
    ArrayNode names = head.putArray("columns"), types = head.putArray("types");
    for (Column c : result.getResolvedSchema().getColumns()) {
      names.add(c.getName());
      types.add(c.getDataType().getLogicalType().asSummaryString());
    }
    print(head);
    boolean[] late = {false};
    CompletableFuture<Void> clock = CompletableFuture.runAsync(() -> {
      late[0] = true;
      result.getJobClient().get().cancel();
    }, CompletableFuture.delayedExecutor(timeout, TimeUnit.MILLISECONDS));
    try (CloseableIterator<Row> rows = result.collect()) {
      for (long n = 0; (limit == 0 || n < limit) && rows.hasNext(); n++) {
        Row row = rows.next();
        ObjectNode node = JSON.createObjectNode().put("kind", row.getKind().shortString());
        node.set("row", value(row));
        print(node);
      }
    } catch (RuntimeException e) {
      if (!late[0]) {
        throw e;
      }
    } finally {
      clock.cancel(false);
    }
    return late[0];
  }

  private static JsonNode value(Object v) {
    if (v == null) {
      return JSON.nullNode();
    }
    if (v instanceof Row) {
      Row row = (Row) v;
      ArrayNode out = JSON.createArrayNode();
      for (int i = 0; i < row.getArity(); i++) {
        out.add(value(row.getField(i)));
      }
      return out;
    }
    if (v instanceof Map) {
      ObjectNode out = JSON.createObjectNode();
      ((Map<?, ?>) v).forEach((k, x) -> out.set(String.valueOf(k), value(x)));
      return out;
    }
    if (v instanceof byte[]) {
      StringBuilder hex = new StringBuilder();
      for (byte b : (byte[]) v) {
        hex.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
      }
      return JSON.getNodeFactory().textNode(hex.toString());
    }
    if (v.getClass().isArray()) {
      ArrayNode out = JSON.createArrayNode();
      for (int i = 0; i < Array.getLength(v); i++) {
        out.add(value(Array.get(v, i)));
      }
      return out;
    }
    return JSON.getNodeFactory().textNode(text(v));
  }

  private static String text(Object v) {
    if (v instanceof BigDecimal) {
      return ((BigDecimal) v).toPlainString();
    }
    if (v instanceof LocalDateTime) {
      return DateTimeFormatter.ISO_LOCAL_DATE_TIME.format((LocalDateTime) v);
    }
    if (v instanceof LocalTime) {
      return DateTimeFormatter.ISO_LOCAL_TIME.format((LocalTime) v);
    }
    return v.toString();
  }

  /** Splits a script at its semicolons, as Flink's own shell does. Comments are left out. */
  private static List<String> statements(String script) {
    List<String> out = new ArrayList<>();
    StringBuilder s = new StringBuilder();
    char quote = 0;
    for (int i = 0; i < script.length(); i++) {
      char c = script.charAt(i);
      if (quote != 0) {
        quote = c == quote ? 0 : quote;
      } else if (c == '\'' || c == '`' || c == '"') {
        quote = c;
      } else if (script.startsWith("--", i)) {
        int end = script.indexOf('\n', i);
        i = end < 0 ? script.length() : end - 1;
        continue;
      } else if (script.startsWith("/*", i) && !script.startsWith("/*+", i)) {
        i = script.indexOf("*/", i) + 1;
        continue;
      } else if (c == ';') {
        out.add(s.toString().trim());
        s.setLength(0);
        continue;
      }
      s.append(c);
    }
    out.add(s.toString().trim());
    out.removeIf(String::isEmpty);
    return out;
  }

  private static String chain(Throwable t) {
    StringBuilder out = new StringBuilder();
    for (; t != null; t = t.getCause()) {
      out.append(out.length() == 0 ? "" : "\n").append(t.getClass().getSimpleName()).append(": ").append(t.getMessage());
    }
    return out.toString();
  }
}
