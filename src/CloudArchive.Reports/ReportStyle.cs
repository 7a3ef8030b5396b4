namespace CloudArchive.Reports;

/// <summary>The type of reports.</summary>
internal static class ReportStyle
{
    public static PdfTextStyle Regular(double size) => new(PdfFont.Regular, size);

    public static PdfTextStyle Bold(double size) => new(PdfFont.Bold, size);

    public static PdfTextStyle Fixed(double size) => new(PdfFont.Fixed, size);
}

/// <summary>The colours of reports. Never the only sign: words say the same.</summary>
internal static class ReportColors
{
    public static readonly PdfColor Paper = new(0xFF, 0xFF, 0xFF);
    public static readonly PdfColor Ink = new(0x1B, 0x27, 0x33);
    public static readonly PdfColor Muted = new(0x55, 0x64, 0x73);
    public static readonly PdfColor Rule = new(0xD8, 0xDF, 0xE6);
    public static readonly PdfColor Shade = new(0xF4, 0xF6, 0xF9);
    public static readonly PdfColor Accent = new(0x1F, 0x5F, 0xA8);
    public static readonly PdfColor AccentLight = new(0xDB, 0xE8, 0xF6);
    public static readonly PdfColor Good = new(0x1A, 0x73, 0x48);
    public static readonly PdfColor GoodLight = new(0xE6, 0xF3, 0xEC);
    public static readonly PdfColor Bad = new(0xB3, 0x26, 0x1E);
    public static readonly PdfColor BadLight = new(0xFB, 0xEA, 0xE9);
    public static readonly PdfColor Warn = new(0x8A, 0x5A, 0x00);
    public static readonly PdfColor WarnLight = new(0xFF, 0xF3, 0xDC);
}
