using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

/// <summary>Random data sets, written in every transfer syntax: the walk counts what was written, and finds nothing odd.</summary>
public sealed class RoundTripTests
{
    private static readonly string[] s_vrs = ["LO", "OB", "UT", "UN", "PN", "OW", "UC"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task What_was_written_is_counted(int seed)
    {
        Random random = new(seed);
        for (int i = 0; i < 150; i++)
        {
            Shape shape = Shape.Random(random, depth: 0);
            bool pixels = random.Next(2) == 0;
            foreach (string syntax in Files.Syntaxes)
            {
                bool meta = syntax is TransferSyntaxes.DeflatedExplicitVrLittleEndian or TransferSyntaxes.RleLossless || random.Next(4) != 0;
                byte[] file = Files.Write(syntax, dataSet =>
                {
                    Files.Identity(dataSet);
                    shape.Write(dataSet);
                    if (pixels)
                    {
                        Files.PixelData(dataSet, syntax);
                    }
                }, meta);

                DicomSummary summary = await Files.WalkAsync(file);

                // The identity has 12 elements, one of them a sequence with an item and an element of its own.
                Assert.Equal(12 + 1 + shape.Elements + (pixels ? 1 : 0), summary.Elements);
                Assert.Equal(1 + shape.Sequences, summary.Sequences);
                Assert.Equal(1 + shape.Items, summary.Items);
                Assert.Equal(Math.Max(1, shape.Depth), summary.Depth);
                Assert.Equal(syntax, summary.Header.TransferSyntaxUid);
                Assert.Equal(Files.Series, summary.Header.SeriesInstanceUid);
                Assert.DoesNotContain(summary.Oddities, oddity => oddity.Kind is not (DicomOddityKind.NoPreamble or DicomOddityKind.NoMetaHeader));
                Assert.Equal(file.Length, summary.Length);
            }
        }
    }

    /// <summary>A tree of values and sequences; tags are dealt out when it is written.</summary>
    private sealed record Shape(int Kind, int Length, string Vr, Shape[][] Children)
    {
        public int Elements => Children.Sum(item => item.Sum(child => 1 + child.Elements));

        public int Items => Children.Length - (Kind == -1 ? 1 : 0) + Children.Sum(item => item.Sum(child => child.Items));

        public int Sequences => (Kind is -1 or 0 ? 0 : 1) + Children.Sum(item => item.Sum(child => child.Sequences));

        public int Depth => (Kind is -1 or 0 ? 0 : 1) + (Children.Length == 0 ? 0 : Children.Max(item => item.Length == 0 ? 0 : item.Max(child => child.Depth)));

        public static Shape Random(Random random, int depth) => depth == 0
            ? new(-1, 0, "", [Content(random, 1)])
            : random.Next(depth < 5 ? 2 : 1) == 0
                ? new(0, random.Next(300), s_vrs[random.Next(s_vrs.Length)], [])
                : Sequence(random, depth, kind: random.Next(1, 4));

        public void Write(DicomWriter file) => Write(file, Children[0]);

        /// <summary>One of defined length has an item at least: in implicit VR, without any it looks like any empty value.</summary>
        private static Shape Sequence(Random random, int depth, int kind) =>
            new(kind, 0, "SQ", [.. Enumerable.Range(0, random.Next(kind == 1 ? 1 : 0, 4)).Select(_ => Content(random, depth + 1))]);

        private static Shape[] Content(Random random, int depth) => [.. Enumerable.Range(0, random.Next(6)).Select(_ => Random(random, depth))];

        private static void Write(DicomWriter file, Shape[] shapes)
        {
            uint tag = 0x0029_1000;
            foreach (Shape shape in shapes)
            {
                Action<DicomWriter>[] items = [.. shape.Children.Select(children => new Action<DicomWriter>(item => Write(item, children)))];
                tag++;
                switch (shape.Kind)
                {
                    case 0:
                        file.Bytes(tag, shape.Vr, Enumerable.Repeat((byte)0x41, shape.Length).ToArray());
                        break;
                    case 1:
                        file.Sequence(tag, false, items);
                        break;
                    case 2:
                        file.Sequence(tag, true, items);
                        break;
                    default:
                        file.UnknownSequence(tag, items);
                        break;
                }
            }
        }
    }
}
