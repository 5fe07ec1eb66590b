// Sends a signed PDF to a robot of the sandbox, hears of 01 and 03, and fetches the answer with its files. Java 17 alone:
//   NODE=http://127.0.0.1:8088 KEY=sbx_… java First.java van-ban.json van-ban.pdf
// Where your program has a JSON library, use it in the place of `texts`.

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

public class First {
    static final String NODE = System.getenv("NODE") + "/api/v1", KEY = System.getenv("KEY");
    static final HttpClient HTTP = HttpClient.newHttpClient();

    public static void main(String[] papers) throws Exception {
        String meta = Files.readString(Path.of(papers[0])).replace("TEST.OK", "TEST.REPLY");
        String id = texts("id", send(meta, Path.of(papers[1]))).get(0);
        System.out.println("accepted " + id);

        String after = "0";
        for (List<String> heard = new java.util.ArrayList<>(); !heard.containsAll(List.of("01", "03")); ) {
            String events = text(ask("GET", "/events?wait=25&type=message.status&subject=" + id + "&after=" + after));
            heard.addAll(texts("code", events));
            after = texts("next_after", events).get(0);
            System.out.println("heard " + heard);
        }

        String box = text(ask("GET", "/inbox?lease=120&limit=1&wait=50"));
        String item = texts("id", box).get(0);
        System.out.println("answered: " + texts("subject", box).get(0));
        HttpResponse<byte[]> file = HTTP.send(call("GET", "/inbox/" + item + "/files/1").build(), BodyHandlers.ofByteArray());
        String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(file.body()));
        if (!digest.equals(file.headers().firstValue("X-Content-SHA256").orElse(""))) throw new IllegalStateException("damaged on the way");
        Files.write(Path.of("answer.pdf"), file.body());
        ask("POST", "/inbox/" + item + "/ack"); // stored: it is not offered again
    }

    /** `meta` first, then the files; the same Idempotency-Key makes a repeat harmless. */
    static String send(String meta, Path pdf) throws Exception {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        part(body, "name=\"meta\"", "application/json", meta.getBytes(StandardCharsets.UTF_8));
        part(body, "name=\"lead\"; filename=\"" + pdf.getFileName() + "\"", "application/pdf", Files.readAllBytes(pdf));
        body.write("--part--\r\n".getBytes());
        HttpRequest.Builder call = call("POST", "/messages")
            .header("Idempotency-Key", UUID.randomUUID().toString())
            .header("Content-Type", "multipart/form-data; boundary=part")
            .POST(BodyPublishers.ofByteArray(body.toByteArray()));
        return text(HTTP.send(call.build(), BodyHandlers.ofString()));
    }

    static void part(ByteArrayOutputStream body, String name, String type, byte[] content) throws Exception {
        String head = "--part\r\nContent-Disposition: form-data; " + name + "\r\nContent-Type: " + type + "\r\n\r\n";
        body.write(head.getBytes(StandardCharsets.UTF_8));
        body.write(content);
        body.write("\r\n".getBytes());
    }

    static HttpResponse<String> ask(String method, String path) throws Exception {
        return HTTP.send(call(method, path).build(), BodyHandlers.ofString());
    }

    static HttpRequest.Builder call(String method, String path) {
        return HttpRequest.newBuilder(URI.create(NODE + path))
            .header("Authorization", "Bearer " + KEY)
            .method(method, BodyPublishers.noBody());
    }

    /** Every failure is application/problem+json: act on `code`, show `detail` to people. */
    static String text(HttpResponse<String> answer) {
        if (answer.statusCode() >= 300) throw new IllegalStateException(answer.statusCode() + " " + answer.body());
        return answer.body();
    }

    static List<String> texts(String name, String json) {
        return Pattern.compile("\"" + name + "\":\\s*\"([^\"]*)\"").matcher(json).results().map((MatchResult each) -> each.group(1)).toList();
    }
}
