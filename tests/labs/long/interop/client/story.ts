// The story with the packaged client: node, key, meta, PDF, a signed webhook (id, time, signature, body, secret).
import { readFileSync, writeFileSync } from "node:fs";
import { Gateway, requireDigest, retry, verifyWebhook, type MessageIn } from "lienthong-gateway-client";

const [node, key, paper, pdf, id, stamp, signature, body, secret] = process.argv.slice(2) as [
  string, string, string, string, string, string, string, string, string,
];
const gateway = new Gateway(node, key);
const content = new Uint8Array(readFileSync(pdf));
const upload = await gateway.upload("van-ban.pdf", content);
const meta: MessageIn = { ...JSON.parse(readFileSync(paper, "utf8")), files: [{ id: upload.id, role: "lead" }] };
const sent = await gateway.send(meta, "story");

const path = { id: sent.id };
let after = "0";
let state = "";
while (state !== "done") {
  const query = { after, wait: 5, subject: sent.id };
  after = (await retry(() => gateway.api.GET("/api/v1/events", { params: { query } }))).next_after;
  const listed = await retry(() => gateway.api.GET("/api/v1/messages", { params: { query: { limit: 10 } } }));
  state = listed.data[0]!.recipients[0]!.state;
}

const answers: string[] = [];
const taken = await gateway.receive(
  async (item) => {
    for (const file of item.files) writeFileSync(`typescript-${file.n}`, await gateway.download(item, file));
    const answer = answers.length
      ? ({ code: "02", reason: "WRONG_ADDRESSEE" } as const)
      : ({ code: "03", register_no: "1" } as const);
    const params = { path: { id: item.id } };
    const set = await retry(() => gateway.api.POST("/api/v1/inbox/{id}/status", { params, body: answer }));
    answers.push(set.item.state);
  },
  () => answers.length === 2,
);

const recalled = await retry(() =>
  gateway.api.POST("/api/v1/messages/{id}/recall", {
    params: { path, header: { "Idempotency-Key": "recall" } },
    body: { reason: "Sent by mistake", approved_by: "Nguyen Van Thu", notice_no: "12/TB" },
  }),
);

function refused(act: () => unknown): string {
  try {
    act();
    return "";
  } catch (why) {
    return (why as Error).message;
  }
}
const raw = Buffer.from(body);
const headers = { "webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature };
console.log(
  JSON.stringify({
    state,
    answers,
    ...taken,
    recalled: recalled.parent === sent.id,
    webhook: verifyWebhook(headers, raw, secret).type,
    refused: [
      refused(() => verifyWebhook(headers, Buffer.from("{}"), secret)),
      refused(() => verifyWebhook({ ...headers, "webhook-timestamp": "1" }, raw, secret)),
      refused(() => requireDigest(raw, upload.file!.sha256)),
    ],
  }),
);
