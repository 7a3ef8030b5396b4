using System.Net.Http.Headers;
using System.Net.Mime;
using System.Net.Sockets;
using System.Security.Authentication;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Alerts;

/// <summary>Sends alerts to the operator's address, and that their cause is over. Follows no redirect, takes no cookie, waits 15 seconds at most, and reads nothing of the answer but its status.</summary>
public sealed class Webhook : INoticeChannel, IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(15);
    private readonly WebhookTarget _target;
    private readonly TimeProvider _clock;
    private readonly HttpClient _http;

    /// <param name="target">Where to.</param>
    /// <param name="clock">The time that is signed.</param>
    public Webhook(WebhookTarget target, TimeProvider clock)
    {
        (_target, _clock) = (target, clock);

        // A redirect would make the receiver choose the address. The connection is made anew every few minutes, so that a moved host is found.
        SocketsHttpHandler handler = new() { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5), ConnectTimeout = s_timeout };
        _http = new HttpClient(handler) { Timeout = s_timeout };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("CloudArchive", typeof(Webhook).Assembly.GetName().Version!.ToString(3)));
    }

    /// <inheritdoc/>
    public string Name => "webhook";

    /// <inheritdoc/>
    public async Task<SendOutcome> SendAsync(Notice notice, CancellationToken cancellationToken)
    {
        if (notice.Alert is not { } alert)
        {
            return SendOutcome.NotConcerned; // Letters are for people.
        }

        // The same for every attempt, so that a receiver can tell a repetition; without '.', which separates what is signed.
        string id = $"{notice.Log.TrimStart('$')}_{notice.Id}";
        DateTimeOffset now = _clock.GetUtcNow();
        string type = notice.Kind == NoticeKind.AlertClosed ? AlertWebhook.AlertClosed : AlertWebhook.AlertRaised;
        byte[] body = CanonicalJson.Serialize(new AlertWebhook(type, notice.At, new AlertWebhookData(notice.AlertId!, alert.Clinic, alert.CauseName, alert.Subject, alert.Message)));
        using HttpRequestMessage request = new(HttpMethod.Post, _target.Address) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypeNames.Application.Json);
        request.Headers.Add("webhook-id", id);
        request.Headers.Add("webhook-timestamp", WebhookTarget.Timestamp(now));
        request.Headers.Add("webhook-signature", _target.Sign(id, now, body));
        try
        {
            using HttpResponseMessage answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            return answer.IsSuccessStatusCode ? SendOutcome.Sent : SendOutcome.Failed($"The receiver answered HTTP {(int)answer.StatusCode}.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return SendOutcome.Failed($"The receiver did not answer within {s_timeout.TotalSeconds:0} seconds.");
        }
        catch (HttpRequestException e)
        {
            return SendOutcome.Failed(e.InnerException switch
            {
                AuthenticationException => "The receiver's certificate was not accepted.",
                SocketException socket => $"The receiver could not be reached ({socket.SocketErrorCode}).",
                _ => $"The request failed ({e.HttpRequestError}).",
            });
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();
}
