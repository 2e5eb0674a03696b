import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/**
 * A Kafka Streams join: each decision on recording, with the direction and the queue of its call.
 *
 * <p>A stream, stream.events, is joined with a table, the last version of each call on calls. Both
 * are keyed by task SID and have 24 partitions, so nothing is repartitioned. The results are on the
 * topic decisions.with-queue, which must exist, with the task SID as key: decision, direction and
 * queue, separated by tabs.
 *
 * <p>Arguments: bootstrap servers, URL of the registry, directory for state, topic prefix (if any).
 */
public final class DecisionsWithQueue {
  public static void main(String[] arguments) {
    String prefix = arguments.length > 3 ? arguments[3] : "";
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "decisions-with-queue");
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[2]);
    settings.put("consumer.auto.offset.reset", "earliest");
    settings.put("consumer.isolation.level", "read_committed");
    // A record waits so long for those of the other topic, which may have earlier timestamps.
    settings.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, 1000L);
    settings.put(
        StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG,
        LogAndContinueExceptionHandler.class);
    KafkaStreams streams = new KafkaStreams(join(prefix, arguments[1]).build(), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
    streams.start();
  }

  private static StreamsBuilder join(String prefix, String registry) {
    StreamsBuilder builder = new StreamsBuilder();
    Consumed<String, GenericRecord> from = Consumed.with(Serdes.String(), new Records(registry));
    KTable<String, String> calls =
        builder
            .stream(prefix + "calls", from)
            .filter((taskSid, call) -> call != null)
            .mapValues(DecisionsWithQueue::directionAndQueue)
            .toTable(Materialized.with(Serdes.String(), Serdes.String()));
    KStream<String, GenericRecord> decisions =
        builder
            .stream(prefix + "stream.events", from)
            .filter((key, record) -> record != null && isDecision(record));
    decisions
        .join(calls, (decision, call) -> decision.get("decision") + "\t" + call)
        .to(prefix + "decisions.with-queue", Produced.with(Serdes.String(), Serdes.String()));
    return builder;
  }

  private static boolean isDecision(GenericRecord record) {
    return record.getSchema().getFullName().equals("flexcapture.RecordingDecided");
  }

  private static String directionAndQueue(GenericRecord call) {
    for (Map.Entry<?, ?> fact : ((Map<?, ?>) call.get("facts")).entrySet()) {
      if (fact.getKey().toString().equals("queue")) {
        return call.get("direction") + "\t" + ((GenericRecord) fact.getValue()).get("value");
      }
    }
    return call.get("direction") + "\tnull";
  }

  /** Reads the records of flexcapture's topics with the schemas of a registry. */
  private static final class Records implements Serde<GenericRecord> {
    private static final int HEADER_BYTES = 5;
    private final HttpClient http = HttpClient.newHttpClient();
    private final Map<Integer, Schema> schemas = new ConcurrentHashMap<>();
    private final String registry;

    Records(String registry) {
      this.registry = registry;
    }

    @Override
    public org.apache.kafka.common.serialization.Deserializer<GenericRecord> deserializer() {
      return (topic, data) -> data == null ? null : read(data);
    }

    @Override
    public org.apache.kafka.common.serialization.Serializer<GenericRecord> serializer() {
      throw new UnsupportedOperationException("this program writes no Avro");
    }

    private GenericRecord read(byte[] data) {
      if (data.length < HEADER_BYTES || data[0] != 0) {
        throw new SerializationException("no header of Confluent's wire format");
      }
      Schema schema = schemas.computeIfAbsent(ByteBuffer.wrap(data, 1, 4).getInt(), this::fetch);
      try {
        int length = data.length - HEADER_BYTES;
        var decoder = DecoderFactory.get().binaryDecoder(data, HEADER_BYTES, length, null);
        return new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
      } catch (Exception problem) {
        throw new SerializationException(problem);
      }
    }

    private Schema fetch(int id) {
      try {
        URI uri = URI.create(registry + "/schemas/ids/" + id);
        var answer = http.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
          throw new SerializationException("the registry has no schema " + id + ": " + answer.body());
        }
        String text = new ObjectMapper().readTree(answer.body()).get("schema").asText();
        return new Schema.Parser().parse(text);
      } catch (java.io.IOException | InterruptedException problem) {
        throw new SerializationException(problem);
      }
    }
  }
}
