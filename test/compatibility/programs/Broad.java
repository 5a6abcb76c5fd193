import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.zip.CRC32;

/** What programs for a Java machine use: threads, files, processes, and its own memory. */
public class Broad {
    static void threads() throws Exception {
        var sum = new AtomicLong();
        var latch = new CountDownLatch(16);
        var seen = new ConcurrentHashMap<Integer, String>();
        var pool = Executors.newFixedThreadPool(8);
        for (int i = 0; i < 16; i++) {
            int number = i;
            pool.submit(() -> {
                for (int n = 0; n < 1000; n++) sum.addAndGet(number);
                seen.put(number, "x");
                latch.countDown();
            });
        }
        System.out.println(latch.await(60, TimeUnit.SECONDS) + " " + sum + " " + seen.size());
        pool.shutdown();
        System.out.println(IntStream.range(0, 100_000).parallel().mapToLong(n -> n).sum());
    }

    static void files() throws Exception {
        var top = Files.createTempDirectory("broad");
        var path = top.resolve("file");
        Files.writeString(path, "one\ntwo\n");
        Files.createSymbolicLink(top.resolve("link"), path);
        try (var channel = java.nio.channels.FileChannel.open(path)) {
            var mapped = channel.map(java.nio.channels.FileChannel.MapMode.READ_ONLY, 0, 3);
            System.out.println((char) mapped.get(0) + " " + Files.readAllLines(path).size() + " " + Files.list(top).count());
        }
        try {
            Files.readString(Path.of("/nowhere"));
        } catch (java.nio.file.NoSuchFileException absent) {
            System.out.println("absent " + absent.getMessage());
        }
    }

    static void processes() throws Exception {
        var child = new ProcessBuilder("sh", "-c", "read x; echo got $x; exit 3").redirectErrorStream(true).start();
        try (var to = child.outputWriter()) {
            to.write("line\n");
        }
        System.out.println(new String(child.getInputStream().readAllBytes()).trim() + " " + child.waitFor());
        System.out.println(ProcessHandle.current().isAlive() + " " + (Runtime.getRuntime().availableProcessors() > 0));
    }

    static void data() throws Exception {
        var digest = MessageDigest.getInstance("SHA-256").digest("abc".getBytes());
        System.out.println(HexFormat.of().formatHex(digest).substring(0, 16) + " " + new java.security.SecureRandom().generateSeed(4).length);
        var checksum = new CRC32();
        checksum.update("abc".getBytes());
        System.out.println(checksum.getValue() + " " + new java.math.BigInteger("2").pow(100));
        System.out.println(ZonedDateTime.of(2024, 7, 1, 12, 0, 0, 0, ZoneId.of("Europe/Berlin")).toInstant());
        var kept = new java.util.ArrayList<byte[]>();
        for (int i = 0; i < 400; i++) {
            kept.add(new byte[1 << 20]);
            if (kept.size() > 20) kept.clear();
        }
        System.gc();
        System.out.println("collected " + List.of(1, 2, 3).stream().map(n -> n * n).toList());
    }

    public static void main(String[] arguments) throws Exception {
        threads();
        files();
        processes();
        data();
        System.out.println("done");
    }
}
