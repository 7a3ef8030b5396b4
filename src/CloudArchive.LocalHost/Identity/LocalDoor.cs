using System.Security.Cryptography;
using System.Text;
using CloudArchive.Api.Portal;

namespace CloudArchive.LocalHost.Identity;

/// <summary>
/// The portal's door on this machine. Its code is made at each start and is good until the end: whoever can read where LocalHost writes it
/// (its own output, the ready file) is the staff, and chooses as whom to come in, so that approvals can be tried out.
/// </summary>
internal sealed class LocalDoor(LocalIssuer issuer) : IPortalDoor
{
    private static readonly TimeSpan _tokenLifetime = TimeSpan.FromHours(8);
    private static readonly (PortalIdentity Identity, string Role)[] s_staff =
    [
        (new("local-admin", "Admin"), "admin"),
        (new("local-admin-2", "Second admin, who approves what the first asks for"), "admin"),
        (new("local-compliance", "Compliance"), "compliance"),
    ];

    /// <summary>160 random bits.</summary>
    public string Code { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(20));

    public IReadOnlyList<PortalIdentity> Identities { get; } = [.. s_staff.Select(staff => staff.Identity)];

    public string? Open(string code, string subject) => RoleOf(code, subject) is { } role ? issuer.Issue(subject, role, _tokenLifetime) : null;

    /// <summary>The role of whom the code lets in; null where it does not.</summary>
    public string? RoleOf(string code, string subject)
    {
        bool right = CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(code), Encoding.UTF8.GetBytes(Code));
        return right ? s_staff.FirstOrDefault(staff => staff.Identity.Subject == subject).Role : null;
    }
}
