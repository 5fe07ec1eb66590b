using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Lienthong.GatewayClient;
using Lienthong.GatewayClient.Api;
using Lienthong.GatewayClient.Model;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

/// <summary>The story with the packaged client: node, key, meta, PDF, a signed webhook (id, time, signature, body, secret).</summary>
public static class Story
{
    public static void Main(string[] words)
    {
        Tell(words).GetAwaiter().GetResult();
    }

    static async Task Tell(string[] words)
    {
        var gateway = new Gateway(words[0], words[1]);
        UploadOut upload = await gateway.UploadAsync(words[3]);
        var meta = JsonConvert.DeserializeObject<MessageIn>(File.ReadAllText(words[2]));
        meta.Files = new List<FileMeta> { new FileMeta(id: upload.Id, role: FileRole.Lead) };
        Message sent = await gateway.SendAsync(meta, "story");

        var messages = new MessagesApi(gateway.Http, gateway.Settings);
        var events = new EventsApi(gateway.Http, gateway.Settings);
        var kinds = new SortedSet<string>();
        string after = "0", state = "";
        while (state != "Done")
        {
            var page = await Gateway.RetryAsync(() => events.ReadEventsAsync(after: after, wait: 5, subject: sent.Id));
            after = page.NextAfter;
            kinds.UnionWith(page.Data.Select(each => OfLater(each).ActualInstance.GetType().Name));
            state = (await Gateway.RetryAsync(() => messages.ReadMessageAsync(sent.Id))).Recipients[0].State.ToString();
        }

        var inbox = new InboxApi(gateway.Http, gateway.Settings);
        var answers = new List<string>();
        var stop = new CancellationTokenSource();
        var total = await gateway.ReceiveAsync(async item =>
        {
            foreach (InboxFileOut file in item.Files) await gateway.DownloadAsync(item, file, "dotnet-" + file.N);
            StatusIn answer = answers.Count == 0
                ? new StatusIn(code: StatusIn.CodeEnum._03, registerNo: "1")
                : new StatusIn(code: StatusIn.CodeEnum._02, reason: StatusIn.ReasonEnum.WRONGADDRESSEE);
            var set = await Gateway.RetryAsync(() => inbox.SetStatusAsync(item.Id, statusIn: answer));
            answers.Add(set.Item.State.ToString().ToLowerInvariant());
            if (answers.Count == 2) stop.Cancel();
        }, stop.Token);

        var why = new RecallIn(reason: "Sent by mistake", form: RecallIn.FormEnum.Notice, approvedBy: "Nguyen Van Thu", noticeNo: "12/TB");
        Message recalled = await Gateway.RetryAsync(() => messages.RecallMessageAsync(sent.Id, recallIn: why, idempotencyKey: "recall"));

        byte[] body = Encoding.UTF8.GetBytes(words[7]);
        var heard = Gateway.VerifyWebhook(words[4], words[5], words[6], body, words[8]);
        Console.WriteLine(JsonConvert.SerializeObject(new
        {
            state = state.ToLowerInvariant(), answers, done = total.Done, failed = total.Failed,
            recalled = recalled.Parent == sent.Id, webhook = heard.GetEventOut().Type, kinds,
            refused = new[]
            {
                Refused(() => Gateway.VerifyWebhook(words[4], words[5], words[6], Encoding.UTF8.GetBytes("{}"), words[8])),
                Refused(() => Gateway.VerifyWebhook(words[4], "1", words[6], body, words[8])),
                Refused(() => Gateway.RequireDigest(words[2], upload.File.Sha256)),
            },
        }));
    }

    /// <summary>The event as a later version of the node may send it: with fields that this client does not know.</summary>
    static Event OfLater(Event heard)
    {
        JObject raw = JObject.Parse(heard.ToJson());
        raw["later"] = raw["data"]["later"] = 1;
        return Event.FromJson(raw.ToString());
    }

    static string Refused(Action act)
    {
        try
        {
            act();
            return "";
        }
        catch (Exception why)
        {
            return why.Message;
        }
    }
}
