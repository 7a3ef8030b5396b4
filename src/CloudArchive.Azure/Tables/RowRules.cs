namespace CloudArchive.Azure.Tables;

/// <summary>
/// What a row may be, checked before it travels: a transaction that storage refuses for its form says less than this does.
/// </summary>
internal static class RowRules
{
    // https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
    private const int KeyLimit = 512;
    private const int ValueLimit = 64 * 1024;

    // Forbidden are / \ # ? and control characters; % is legal and has been trouble in URLs. Order must be one thing to
    // storage, its emulator and us, so keys are ASCII: there UTF-8, UTF-16 and every collation that storage may use agree.
    public static void CheckKey(string key)
    {
        if (key.Length is 0 or > KeyLimit || !key.All(IsKeyCharacter))
        {
            throw new ArgumentException($"A key has 1 to {KeyLimit} printable ASCII characters without / \\ # ? %: '{key}'.", nameof(key));
        }
    }

    // A bound is a key that need not exist: it may be empty, or end in a character after all of those that keys have.
    public static void CheckBound(string bound)
    {
        if (bound.Length > KeyLimit + 1 || !bound.All(c => IsKeyCharacter(c) || c == '\uffff'))
        {
            throw new ArgumentException($"A bound is a key, the beginning of one, or one followed by U+FFFF: '{bound}'.", nameof(bound));
        }
    }

    public static bool IsReserved(string name) => name is "PartitionKey" or "RowKey" or "Timestamp" || name.StartsWith("odata.", StringComparison.Ordinal);

    public static void CheckValue(string name, object value)
    {
        if (IsReserved(name) || name.Length is 0 or > 255)
        {
            throw new ArgumentException($"'{name}' is not a name for a value.", nameof(name));
        }

        int length = value switch
        {
            // UTF-16 at rest.
            string text => text.Length * 2,
            byte[] bytes => bytes.Length,
            long or bool or DateTimeOffset => 0,
            _ => throw new ArgumentException($"{name} is a {value?.GetType().Name ?? "null"}: rows have string, long, bool, DateTimeOffset and byte[].", nameof(value)),
        };
        if (length > ValueLimit)
        {
            throw new ArgumentException($"{name} has {length} bytes; a value has {ValueLimit} at most.", nameof(value));
        }
    }

    private static bool IsKeyCharacter(char c) => c is >= ' ' and <= '~' and not ('/' or '\\' or '#' or '?' or '%');
}
