// Sends a signed PDF to a robot of the sandbox, hears of 01 and 03, and fetches the answer with its file. The class library
// alone; C# 7, so that .NET Framework 4.7.2 takes it as .NET 8 does (it is the one file of a console project there):
//   NODE=http://127.0.0.1:8088 KEY=sbx_… dotnet run van-ban.json van-ban.pdf
// Where your program has a JSON library, use it in the place of `Texts`.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

public static class First
{
    static readonly string Node = Environment.GetEnvironmentVariable("NODE") + "/api/v1";
    static readonly HttpClient Http = new HttpClient();

    public static void Main(string[] papers)
    {
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Environment.GetEnvironmentVariable("KEY"));
        Afternoon(papers[0], papers[1]).GetAwaiter().GetResult();
    }

    static async Task Afternoon(string paper, string pdf)
    {
        string meta = File.ReadAllText(paper).Replace("TEST.OK", "TEST.REPLY");
        string id = Texts("id", await Send(meta, pdf)).First();
        Console.WriteLine("accepted " + id);

        string after = "0";
        var heard = new List<string>();
        while (!(heard.Contains("01") && heard.Contains("03")))
        {
            string events = await Ask(HttpMethod.Get, "/events?wait=25&type=message.status&subject=" + id + "&after=" + after);
            heard.AddRange(Texts("code", events));
            after = Texts("next_after", events).First();
            Console.WriteLine("heard " + string.Join(" ", heard));
        }

        string box = await Ask(HttpMethod.Get, "/inbox?lease=120&limit=1&wait=50");
        string item = Texts("id", box).First();
        Console.WriteLine("answered: " + Texts("subject", box).First());
        using (HttpResponseMessage file = await Http.GetAsync(Node + "/inbox/" + item + "/files/1"))
        {
            await Text(file);
            byte[] content = await file.Content.ReadAsByteArrayAsync();
            if (!file.Headers.GetValues("X-Content-SHA256").Contains(Sha256(content)))
                throw new InvalidDataException("damaged on the way");
            File.WriteAllBytes("answer.pdf", content);
        }
        await Ask(HttpMethod.Post, "/inbox/" + item + "/ack"); // stored: it is not offered again
    }

    /// <summary>`meta` first, then the files; the same Idempotency-Key makes a repeat harmless.</summary>
    static async Task<string> Send(string meta, string pdf)
    {
        using (var parts = new MultipartFormDataContent())
        using (var call = new HttpRequestMessage(HttpMethod.Post, Node + "/messages") { Content = parts })
        {
            parts.Add(new StringContent(meta, Encoding.UTF8, "application/json"), "meta");
            var lead = new ByteArrayContent(File.ReadAllBytes(pdf));
            lead.Headers.ContentType = new MediaTypeHeaderValue("application/pdf");
            parts.Add(lead, "lead", Path.GetFileName(pdf));
            call.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
            return await Text(await Http.SendAsync(call));
        }
    }

    static async Task<string> Ask(HttpMethod method, string path)
    {
        using (var call = new HttpRequestMessage(method, Node + path))
            return await Text(await Http.SendAsync(call));
    }

    /// <summary>Every failure is application/problem+json: act on `code`, show `detail` to people.</summary>
    static async Task<string> Text(HttpResponseMessage answer)
    {
        string text = await answer.Content.ReadAsStringAsync();
        if (!answer.IsSuccessStatusCode) throw new HttpRequestException((int)answer.StatusCode + " " + text);
        return text;
    }

    static string Sha256(byte[] content)
    {
        using (var digest = SHA256.Create())
            return string.Concat(digest.ComputeHash(content).Select(each => each.ToString("x2")));
    }

    static IEnumerable<string> Texts(string name, string json)
    {
        return Regex.Matches(json, "\"" + name + "\":\\s*\"([^\"]*)\"").Cast<Match>().Select(each => each.Groups[1].Value).ToList();
    }
}
