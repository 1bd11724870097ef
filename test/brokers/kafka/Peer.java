import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Kafka's own client, asked by lines on standard input. Bytes are hexadecimal there, and "-" is null. */
public class Peer {
    public static void main(String[] words) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        if (words[0].equals("partitions")) partitions(lines, words);
        else produce(lines, words[1], words[2]);
    }

    /** Of each line's key: its partition where there are as many as each of the words says. */
    private static void partitions(BufferedReader lines, String[] counts) throws Exception {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            List<String> found = new ArrayList<>();
            for (int i = 1; i < counts.length; i++) {
                int count = Integer.parseInt(counts[i]);
                found.add(String.valueOf(BuiltInPartitioner.partitionForKey(bytes(line), count)));
            }
            System.out.println(String.join(" ", found));
        }
    }

    /**
     * Sends a record for each line, which is its key, its value and pairs of a header's name and value. A line of one
     * word names the compression of what follows.
     */
    private static void produce(BufferedReader lines, String bootstrap, String topic) throws Exception {
        KafkaProducer<byte[], byte[]> producer = null;
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] parts = line.split(" ", -1);
            if (parts.length == 1) {
                if (producer != null) producer.close();
                Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "compression.type", line);
                producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
                continue;
            }
            var record = new ProducerRecord<>(topic, bytes(parts[0]), bytes(parts[1]));
            for (int i = 2; i < parts.length; i += 2) record.headers().add(parts[i], bytes(parts[i + 1]));
            sent.add(producer.send(record));
        }
        producer.close();
        for (Future<RecordMetadata> one : sent) one.get();
    }

    private static byte[] bytes(String text) {
        return text.equals("-") ? null : HexFormat.of().parseHex(text);
    }
}
