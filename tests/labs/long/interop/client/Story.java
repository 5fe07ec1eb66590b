import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import vn.lienthong.gateway.Gateway;
import vn.lienthong.gateway.api.EventsApi;
import vn.lienthong.gateway.api.InboxApi;
import vn.lienthong.gateway.api.MessagesApi;
import vn.lienthong.gateway.model.FileMeta;
import vn.lienthong.gateway.model.FileRole;
import vn.lienthong.gateway.model.InboxFileOut;
import vn.lienthong.gateway.model.Message;
import vn.lienthong.gateway.model.MessageIn;
import vn.lienthong.gateway.model.RecallIn;
import vn.lienthong.gateway.model.RecipientOut;
import vn.lienthong.gateway.model.StatusIn;
import vn.lienthong.gateway.model.UploadOut;

/** The story with the packaged client: node, key, meta, PDF, a signed webhook (id, time, signature, body, secret). */
public class Story {
    public static void main(String[] words) throws Exception {
        Gateway gateway = new Gateway(words[0], words[1]);
        UploadOut upload = gateway.upload(Path.of(words[3]));
        MessageIn meta = gateway.api().getObjectMapper().readValue(Files.readAllBytes(Path.of(words[2])), MessageIn.class);
        meta.setFiles(List.of(new FileMeta().id(upload.getId()).role(FileRole.LEAD)));
        Message sent = gateway.send(meta, "story");

        MessagesApi messages = new MessagesApi(gateway.api());
        EventsApi events = new EventsApi(gateway.api());
        String after = "0";
        RecipientOut.StateEnum state = null;
        while (state != RecipientOut.StateEnum.DONE) {
            var ask = EventsApi.APIReadEventsRequest.newBuilder().after(after).waitS(5).subject(sent.getId()).build();
            after = Gateway.retry(() -> events.readEvents(ask)).getNextAfter();
            var read = MessagesApi.APIReadMessageRequest.newBuilder().id(sent.getId()).build();
            state = Gateway.retry(() -> messages.readMessage(read)).getRecipients().get(0).getState();
        }

        InboxApi inbox = new InboxApi(gateway.api());
        List<String> answers = new ArrayList<>();
        var taken = gateway.receive(item -> {
            for (InboxFileOut file : item.getFiles()) gateway.download(item, file, Path.of("java-" + file.getN()));
            StatusIn answer = answers.isEmpty()
                ? new StatusIn().code(StatusIn.CodeEnum._03).registerNo("1")
                : new StatusIn().code(StatusIn.CodeEnum._02).reason(StatusIn.ReasonEnum.WRONG_ADDRESSEE);
            var set = InboxApi.APISetStatusRequest.newBuilder().id(item.getId()).statusIn(answer).build();
            answers.add(Gateway.retry(() -> inbox.setStatus(set)).getItem().getState().getValue());
        }, () -> answers.size() == 2);

        RecallIn why = new RecallIn().reason("Sent by mistake").approvedBy("Nguyen Van Thu").noticeNo("12/TB");
        var recall = MessagesApi.APIRecallMessageRequest.newBuilder().id(sent.getId()).idempotencyKey("recall").recallIn(why).build();
        Message recalled = Gateway.retry(() -> messages.recallMessage(recall));

        byte[] body = words[7].getBytes("UTF-8");
        String type = Gateway.verifyWebhook(words[4], words[5], words[6], body, words[8]).getType();
        String forged = refused(() -> Gateway.verifyWebhook(words[4], words[5], words[6], "{}".getBytes(), words[8]));
        String late = refused(() -> Gateway.verifyWebhook(words[4], "1", words[6], body, words[8]));
        String damaged = refused(() -> Gateway.requireDigest(Path.of(words[2]), upload.getFile().getSha256()));
        System.out.println(gateway.api().getObjectMapper().writeValueAsString(Map.of(
            "state", state.getValue(), "answers", answers, "done", taken.done(), "failed", taken.failed(),
            "recalled", sent.getId().equals(recalled.getParent()), "webhook", type, "refused", List.of(forged, late, damaged))));
    }

    interface Act {
        void run() throws Exception;
    }

    static String refused(Act act) {
        try {
            act.run();
            return "";
        } catch (Exception why) {
            return why.getClass().getSimpleName();
        }
    }
}
