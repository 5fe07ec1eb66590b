package vn.lienthong.gateway;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import vn.lienthong.gateway.api.InboxApi;
import vn.lienthong.gateway.api.MessagesApi;
import vn.lienthong.gateway.api.UploadsApi;
import vn.lienthong.gateway.model.EventOut;
import vn.lienthong.gateway.model.InboxFileOut;
import vn.lienthong.gateway.model.InboxItem;
import vn.lienthong.gateway.model.Message;
import vn.lienthong.gateway.model.MessageIn;
import vn.lienthong.gateway.model.UploadOut;

/**
 * What every document system needs around the generated calls: tries under one Idempotency-Key, the loop that leases, stores and acknowledges, the
 * digest of each download, the signature of each webhook. All other calls are in `vn.lienthong.gateway.api`, made with `api()`.
 */
public final class Gateway {
    private static final int TRIES = 8, LEASE_S = 120, WAIT_S = 10, AT_ONCE = 20;
    private static final long FIRST_MS = 500, MOST_MS = 30_000;
    private static final Duration TOLERANCE = Duration.ofMinutes(5);

    private final ApiClient api;
    private final MessagesApi messages;
    private final InboxApi inbox;
    private final UploadsApi uploads;

    /** A node's address, and an API key; null where a client certificate alone opens it. */
    public Gateway(String node, String key) {
        api = new ApiClient(ApiClient.createDefaultHttpClientBuilder(), new Bytes(ApiClient.createDefaultObjectMapper()), node);
        if (key != null) api.setRequestInterceptor((HttpRequest.Builder call) -> call.header("Authorization", "Bearer " + key));
        messages = new MessagesApi(api);
        inbox = new InboxApi(api);
        uploads = new UploadsApi(api);
    }

    /** For the calls that have no method here: `new EventsApi(gateway.api())`. */
    public ApiClient api() {
        return api;
    }

    /** One call that may be repeated: a read, or one under an Idempotency-Key that stays the same. */
    public interface Call<T> {
        T once() throws ApiException;
    }

    /** Makes the call, again where its outcome is unknown or the node asks for it; never earlier than Retry-After says. */
    public static <T> T retry(Call<T> call) throws ApiException, InterruptedException {
        for (int failed = 1; ; failed++) {
            try {
                return call.once();
            } catch (ApiException why) {
                int status = why.getCode(); // 0: no answer came
                boolean again = status == 0 && !(why.getCause() instanceof JsonProcessingException) || status == 408 || status == 429 || status >= 500
                    || status == 409 && String.valueOf(why.getResponseBody()).contains("\"GW-IDEM-RUNNING\"");
                if (!again || failed == TRIES || Thread.currentThread().isInterrupted()) throw why;
                long grown = Math.min(MOST_MS, FIRST_MS << (failed - 1));
                Thread.sleep(Math.max(askedMs(why), grown / 2 + ThreadLocalRandom.current().nextLong(grown / 2)));
            }
        }
    }

    private static long askedMs(ApiException why) {
        if (why.getResponseHeaders() == null) return 0;
        String asked = why.getResponseHeaders().firstValue("Retry-After").orElse("");
        return asked.matches("\\d{1,6}") ? Long.parseLong(asked) * 1000 : 0;
    }

    /** Uploads a file, which the node compares with its digest; name the answer's id in `MessageIn.files`. */
    public UploadOut upload(Path file) throws ApiException, IOException, InterruptedException {
        String digest = "sha-256=:" + Base64.getEncoder().encodeToString(HexFormat.of().parseHex(sha256(file))) + ":";
        var request = UploadsApi.APIPutUploadRequest.newBuilder()
            .name(file.getFileName().toString()).body(file.toFile()).contentDigest(digest).build();
        return retry(() -> uploads.putUpload(request));
    }

    /** Sends a document. `once` is your own id of this act: a repeat under it, even after a crash, sends nothing twice. */
    public Message send(MessageIn meta, String once) throws ApiException, InterruptedException {
        var request = MessagesApi.APICreateMessageRequest.newBuilder().idempotencyKey(once).messageIn(meta).build();
        return retry(() -> messages.createMessage(request));
    }

    /** Stores one document under its id: it may come a second time. It is acknowledged only when this returns. */
    public interface Store {
        void take(InboxItem item) throws Exception;
    }

    /** What a loop took in, and how often its function failed: those documents are offered again. */
    public record Taken(int done, int failed) {}

    /** Leases, hands over and acknowledges documents until `stop` says so; it waits while the node is down. */
    public Taken receive(Store store, BooleanSupplier stop) throws ApiException, InterruptedException {
        int done = 0, failed = 0;
        var request = InboxApi.APIListInboxRequest.newBuilder().lease(LEASE_S).limit(AT_ONCE).waitS(WAIT_S).build();
        while (!stop.getAsBoolean()) {
            Instant began = Instant.now();
            List<InboxItem> items = retry(() -> inbox.listInbox(request)).getData();
            for (InboxItem item : items) {
                // One that another program may have by now is not begun.
                boolean late = item != items.get(0) && Instant.now().isAfter(began.plusSeconds(LEASE_S / 2));
                if (late || stop.getAsBoolean()) break;
                try {
                    store.take(item);
                    var stored = InboxApi.APIAcknowledgeInboxItemRequest.newBuilder().id(item.getId()).body(Map.of()).build();
                    retry(() -> inbox.acknowledgeInboxItem(stored));
                    done++;
                } catch (InterruptedException why) {
                    throw why;
                } catch (Exception why) {
                    System.getLogger("vn.lienthong.gateway").log(System.Logger.Level.WARNING, item.getId() + " will be offered again", why);
                    failed++;
                }
            }
        }
        return new Taken(done, failed);
    }

    /** Downloads one file of an incoming document to that place, and compares it with its digest first. */
    public Path download(InboxItem item, InboxFileOut file, Path target) throws ApiException, IOException, InterruptedException {
        var request = InboxApi.APIReadInboxFileRequest.newBuilder().id(item.getId()).n(String.valueOf(file.getN())).build();
        Path came = retry(() -> inbox.readInboxFile(request)).toPath();
        try {
            requireDigest(came, file.getSha256());
            return Files.copy(came, target, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(came);
        }
    }

    /** Throws IOException where a file has other bytes. */
    public static void requireDigest(Path file, String sha256) throws IOException {
        if (!sha256(file).equals(sha256)) throw new IOException(file.getFileName() + " is not whole: its SHA-256 differs");
    }

    private static String sha256(Path file) throws IOException {
        try (var source = Files.newInputStream(file)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] part = new byte[1 << 16];
            for (int n; (n = source.read(part)) > 0; ) digest.update(part, 0, n);
            return HexFormat.of().formatHex(digest.digest());
        } catch (java.security.NoSuchAlgorithmException why) {
            throw new IllegalStateException(why);
        }
    }

    /** Returns the event of a webhook (Standard Webhooks 1.0), or throws SecurityException: the body is not the node's, or old. */
    public static EventOut verifyWebhook(String id, String stamp, String signatures, byte[] body, String... secrets) {
        if (!stamp.matches("\\d{1,15}")) throw new SecurityException("webhook-timestamp is no time");
        boolean genuine = false;
        for (String secret : secrets) {
            String expected = "v1," + Base64.getEncoder().encodeToString(hmac(secret, (id + "." + stamp + ".").getBytes(StandardCharsets.UTF_8), body));
            genuine |= Arrays.stream(signatures.split(" ")).limit(20)
                .anyMatch(offered -> MessageDigest.isEqual(offered.getBytes(StandardCharsets.UTF_8), expected.getBytes(StandardCharsets.UTF_8)));
        }
        if (!genuine) throw new SecurityException("no signature fits");
        if (Duration.between(Instant.ofEpochSecond(Long.parseLong(stamp)), Instant.now()).abs().compareTo(TOLERANCE) > 0)
            throw new SecurityException("it was signed too long ago; is the clock right?");
        try {
            return ApiClient.createDefaultObjectMapper().readValue(body, EventOut.class);
        } catch (IOException why) {
            throw new UncheckedIOException(why);
        }
    }

    private static byte[] hmac(String secret, byte[]... parts) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(Base64.getDecoder().decode(secret.strip().replaceFirst("^whsec_", "")), "HmacSHA256"));
            for (byte[] part : parts) mac.update(part);
            return mac.doFinal();
        } catch (java.security.GeneralSecurityException why) {
            throw new IllegalStateException(why);
        }
    }

    /** The generated calls write every body as JSON, also a file: that one is sent as its bytes. */
    private static final class Bytes extends ObjectMapper {
        private static final long serialVersionUID = 1;

        Bytes(ObjectMapper from) {
            super(from);
        }

        @Override
        public ObjectMapper copy() {
            return new Bytes(this);
        }

        @Override
        public byte[] writeValueAsBytes(Object value) throws JsonProcessingException {
            if (!(value instanceof File file)) return super.writeValueAsBytes(value);
            try {
                return Files.readAllBytes(file.toPath());
            } catch (IOException why) {
                throw new UncheckedIOException(why);
            }
        }
    }
}
