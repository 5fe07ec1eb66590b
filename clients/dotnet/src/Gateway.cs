using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using Lienthong.GatewayClient.Api;
using Lienthong.GatewayClient.Client;
using Lienthong.GatewayClient.Model;
using Newtonsoft.Json;

namespace Lienthong.GatewayClient
{
    /// <summary>What a loop took in, and how often its function failed: those documents are offered again.</summary>
    public sealed class Taken
    {
        /// <summary>Documents that were stored and acknowledged.</summary>
        public int Done { get; internal set; }

        /// <summary>Failures of the function.</summary>
        public int Failed { get; internal set; }
    }

    /// <summary>
    /// What every document system needs around the generated calls: tries under one Idempotency-Key, the loop that leases, stores and acknowledges,
    /// the digest of each download, the signature of each webhook. All other calls: `new EventsApi(gateway.Http, gateway.Settings)`.
    /// </summary>
    public sealed class Gateway : IDisposable
    {
        const int Tries = 8, LeaseS = 120, WaitS = 10, AtOnce = 20;
        const double FirstMs = 500, MostMs = 30000;
        const long ToleranceS = 300;
        // The bytes of the official JSON library's token: the maker of the package names it in the reference to that library.
        internal const string JsonToken = "\uad30\ue64f\ua6b2\uedae";
        static readonly Random Chance = new Random();

        /// <summary>A node's address, and an API key; null where the handler's client certificate alone opens it.</summary>
        public Gateway(string node, string key, HttpClientHandler handler = null)
        {
            Http = new HttpClient(handler ?? new HttpClientHandler()) { Timeout = Timeout.InfiniteTimeSpan }; // Settings.Timeout holds for each call
            Settings = new Configuration { BasePath = node.TrimEnd('/'), AccessToken = key, UserAgent = "lienthong-gateway-client/" + Configuration.Version };
        }

        /// <summary>For the calls that have no method here.</summary>
        public HttpClient Http { get; }

        /// <summary>The node's address, the key, the time that a call may take.</summary>
        public Configuration Settings { get; }

        MessagesApi Messages => new MessagesApi(Http, Settings);
        InboxApi Inbox => new InboxApi(Http, Settings);
        UploadsApi Uploads => new UploadsApi(Http, Settings);

        /// <summary>Ends the connections.</summary>
        public void Dispose() => Http.Dispose();

        /// <summary>
        /// Makes a call that may be repeated (a read, or one under an Idempotency-Key that stays the same), again where its outcome is unknown or the
        /// node asks for it; never earlier than Retry-After says.
        /// </summary>
        public static async Task<T> RetryAsync<T>(Func<Task<T>> call, CancellationToken stop = default(CancellationToken))
        {
            for (int failed = 1; ; failed++)
            {
                double askedMs = 0;
                try
                {
                    return await call().ConfigureAwait(false);
                }
                catch (Exception why) when (failed < Tries && !stop.IsCancellationRequested && IsRepeatable(why))
                {
                    askedMs = AskedMs(why as ApiException);
                }
                double grown = Math.Min(MostMs, FirstMs * Math.Pow(2, failed - 1)), part;
                lock (Chance) part = 0.5 + Chance.NextDouble() / 2;
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Max(askedMs, grown * part)), stop).ConfigureAwait(false);
            }
        }

        static bool IsRepeatable(Exception why)
        {
            if (!(why is ApiException refused)) return why is HttpRequestException || why is IOException || why.InnerException is TimeoutException;
            // An answer that cannot be read is a 500 without content: another try reads the same.
            int status = refused.ErrorCode;
            return status == 408 || status == 429 || status >= 500 && refused.ErrorContent != null
                || status == 409 && $"{refused.ErrorContent}".Contains("\"GW-IDEM-RUNNING\"");
        }

        static double AskedMs(ApiException why)
        {
            if (why?.Headers == null || !why.Headers.TryGetValue("Retry-After", out IList<string> asked)) return 0;
            return Regex.IsMatch(asked[0], @"^\d{1,6}$") ? int.Parse(asked[0]) * 1000.0 : 0;
        }

        /// <summary>Uploads a file, which the node compares with its digest; name the answer's id in `MessageIn.Files`.</summary>
        public Task<UploadOut> UploadAsync(string path)
        {
            string digest = $"sha-256=:{Convert.ToBase64String(Digest(path))}:";
            return RetryAsync(async () =>
            {
                using (Stream content = File.OpenRead(path))
                    return await Uploads.PutUploadAsync(name: Path.GetFileName(path), body: new FileParameter(content), contentDigest: digest).ConfigureAwait(false);
            });
        }

        /// <summary>Sends a document. `once` is your own id of this act: a repeat under it, even after a crash, sends nothing twice.</summary>
        public Task<Message> SendAsync(MessageIn meta, string once)
        {
            return RetryAsync(() => Messages.CreateMessageAsync(messageIn: meta, idempotencyKey: once));
        }

        /// <summary>
        /// Leases documents, hands each to `store` and acknowledges it when that ends well, until it is stopped; it waits while the node is down. Store
        /// by the id: a document may come a second time.
        /// </summary>
        public async Task<Taken> ReceiveAsync(Func<InboxItem, Task> store, CancellationToken stop)
        {
            var taken = new Taken();
            while (!stop.IsCancellationRequested)
            {
                var clock = Stopwatch.StartNew();
                List<InboxItem> items;
                try
                {
                    items = (await RetryAsync(() => Inbox.ListInboxAsync(lease: LeaseS, limit: AtOnce, wait: WaitS), stop).ConfigureAwait(false)).Data;
                }
                catch (OperationCanceledException) when (stop.IsCancellationRequested)
                {
                    break;
                }
                foreach (InboxItem item in items)
                {
                    // One that another program may have by now is not begun.
                    if (stop.IsCancellationRequested || item != items[0] && clock.Elapsed.TotalSeconds > LeaseS / 2) break;
                    try
                    {
                        await store(item).ConfigureAwait(false);
                        await RetryAsync(() => Inbox.AcknowledgeInboxItemAsync(item.Id, body: new object())).ConfigureAwait(false);
                        taken.Done++;
                    }
                    catch (Exception why)
                    {
                        Trace.TraceWarning($"{item.Id} will be offered again: {why}");
                        taken.Failed++;
                    }
                }
            }
            return taken;
        }

        /// <summary>Downloads one file of an incoming document to that place, after it was compared with its digest.</summary>
        public async Task DownloadAsync(InboxItem item, InboxFileOut file, string target)
        {
            FileParameter came = await RetryAsync(() => Inbox.ReadInboxFileAsync(item.Id, $"{file.N}")).ConfigureAwait(false);
            string part = target + ".part";
            using (Stream content = came.Content, stored = File.Create(part)) await content.CopyToAsync(stored).ConfigureAwait(false);
            RequireDigest(part, file.Sha256);
            File.Delete(target);
            File.Move(part, target);
        }

        /// <summary>Throws InvalidDataException where a file has other bytes.</summary>
        public static void RequireDigest(string path, string sha256)
        {
            if (string.Concat(Digest(path).Select(part => part.ToString("x2"))) != sha256)
                throw new InvalidDataException($"{Path.GetFileName(path)} is not whole: its SHA-256 differs");
        }

        static byte[] Digest(string path)
        {
            using (var sha256 = SHA256.Create())
            using (Stream content = File.OpenRead(path))
                return sha256.ComputeHash(content);
        }

        /// <summary>
        /// Returns the event of a webhook (Standard Webhooks 1.0), or throws CryptographicException: the body is not the node's, or old. Its
        /// `ActualInstance` is of the type's class, or an EventOut where this client does not know the type.
        /// </summary>
        public static Event VerifyWebhook(string id, string stamp, string signatures, byte[] body, params string[] secrets)
        {
            if (!Regex.IsMatch(stamp, "^[0-9]{1,15}$")) throw new CryptographicException("webhook-timestamp is no time");
            byte[] signed = Encoding.UTF8.GetBytes($"{id}.{stamp}.").Concat(body).ToArray();
            string[] offered = signatures.Split(' ').Take(20).ToArray();
            bool genuine = false;
            foreach (string secret in secrets)
                using (var hmac = new HMACSHA256(Convert.FromBase64String(Regex.Replace(secret.Trim(), "^whsec_", ""))))
                {
                    string expected = "v1," + Convert.ToBase64String(hmac.ComputeHash(signed));
                    foreach (string text in offered) genuine |= AreEqual(text, expected);
                }
            if (!genuine) throw new CryptographicException("no signature fits");
            if (Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - long.Parse(stamp)) > ToleranceS)
                throw new CryptographicException("it was signed too long ago; is the clock right?");
            return Event.FromJson(Encoding.UTF8.GetString(body));
        }

        /// <summary>Compares in a time that does not tell where two texts differ.</summary>
        static bool AreEqual(string text, string expected)
        {
            int difference = text.Length ^ expected.Length;
            for (int n = 0; n < text.Length && n < expected.Length; n++) difference |= text[n] ^ expected[n];
            return difference == 0;
        }
    }
}

namespace Lienthong.GatewayClient.Model
{
    public abstract partial class AbstractOpenAPISchema
    {
        // The generated code refuses events with a field that it does not know, and later versions of a node add fields.
        static AbstractOpenAPISchema()
        {
            SerializerSettings.MissingMemberHandling = MissingMemberHandling.Ignore;
        }
    }
}
