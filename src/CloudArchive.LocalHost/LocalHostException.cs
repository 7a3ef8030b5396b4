namespace CloudArchive.LocalHost;

/// <summary>LocalHost cannot start or go on; the message is one line that says what to do.</summary>
public sealed class LocalHostException(string message, Exception? inner = null) : Exception(message, inner);
