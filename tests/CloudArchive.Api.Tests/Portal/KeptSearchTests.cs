using System.Security.Cryptography;
using System.Text;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Portal.Session;
using CloudArchive.Dicom;
using CloudArchive.Format;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>What a search is found again by.</summary>
public sealed class KeptSearchTests
{
    private static readonly ClinicId _clinic = ClinicId.Parse("test-clinic");

    [Fact]
    public void Every_way_to_write_an_identifier_is_kept_and_is_the_sessions_and_the_clinics_alone()
    {
        // As many ways as there are encodings that can write it, each of them a study's.
        Sha256Digest[] patient = [.. TextSpellings.Of("Größe—№7 é").Select(bytes => Sha256Digest.FromBytes(SHA256.HashData(bytes)))];
        Sha256Digest[] most = [.. Enumerable.Range(0, 32).Select(n => Sha256Digest.Of(Encoding.UTF8.GetBytes($"accession {n}")))];
        DefaultHttpContext before = Context("session-1");
        string found = new KeptSearch(_clinic, patient, most).Keep(before).Split("found=")[1];
        string cookie = before.Response.Headers.SetCookie.ToString().Split(';')[0];
        Assert.InRange(cookie.Length, 1, 4000);

        KeptSearch again = KeptSearch.Find(Context("session-1", cookie), _clinic, found)!;
        Assert.Equal(patient, again.Patient);
        Assert.Equal(most, again.Accession);
        Assert.Null(KeptSearch.Find(Context("session-2", cookie), _clinic, found));
        Assert.Null(KeptSearch.Find(Context("session-1", cookie), ClinicId.Parse("other-clinic"), found));
        Assert.Null(KeptSearch.Find(Context("session-1", cookie), _clinic, "0000000000000000"));
        Assert.Null(KeptSearch.Find(Context("session-1"), _clinic, found));
    }

    private static DefaultHttpContext Context(string session, string? cookie = null)
    {
        DefaultHttpContext context = new() { RequestServices = new ServiceCollection().AddSingleton(new CloudArchiveOptions()).BuildServiceProvider() };
        context.Features.Set(new PortalSession(session, "ada", "token", 0, 0));
        if (cookie is not null)
        {
            context.Request.Headers.Cookie = cookie;
        }

        return context;
    }
}
