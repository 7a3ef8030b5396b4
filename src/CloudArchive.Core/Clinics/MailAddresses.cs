using System.Text.RegularExpressions;

namespace CloudArchive.Core.Clinics;

/// <summary>What counts as one mail address: RFC 5321's dot-string and a host name. No display name, no list, nothing that could end a header.</summary>
public static partial class MailAddresses
{
    private const int Most = 254; // RFC 5321 §4.5.3.1.3, without the brackets

    /// <summary>Whether it is one.</summary>
    public static bool IsValid(string address) => address.Length <= Most && Address().IsMatch(address);

    // \z and not $, which would let a line end through.
    [GeneratedRegex(@"\A[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\z", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Address();
}
