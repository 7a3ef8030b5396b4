using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Format.Packs;
using CloudArchive.Testing;
using Microsoft.Playwright;

namespace CloudArchive.EndToEnd.Portal;

/// <summary>The script that opens packs in a browser, held to what the reader in C# is held to.</summary>
public sealed class BrowserPackTests(PortalPractice portal)
{
    private static readonly string _vectors = Path.Combine(Repository.Root, "tests", "vectors");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_script_reads_the_golden_vectors_and_refuses_what_the_reader_refuses()
    {
        await portal.ReadyAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        string folder = Path.Combine(_vectors, "filter-1");
        foreach (string vector in Directory.EnumerateFiles(folder, "*.json"))
        {
            byte[] file = await File.ReadAllBytesAsync(Path.ChangeExtension(vector, ".bin"), Cancel), filtered = await File.ReadAllBytesAsync(Path.ChangeExtension(vector, ".f1"), Cancel);
            string came = await UnfilterAsync(admin, filtered, await File.ReadAllTextAsync(vector, Cancel), file.Length);
            Assert.Equal(Convert.ToBase64String(file), came);

            // Whatever is there instead: an error, or other bytes, which the file's SHA-256 finds; soon, and no more of them.
            Random random = new(file.Length);
            for (int i = 0; i < 40; i++)
            {
                byte[] hostile = [.. filtered[..random.Next(i % 2 == 0 ? filtered.Length : 0, filtered.Length + 1)]];
                for (int flips = random.Next(1, 4); flips > 0 && hostile.Length > 0; flips--)
                {
                    hostile[random.Next(hostile.Length)] ^= (byte)random.Next(1, 256);
                }

                string result = await UnfilterAsync(admin, hostile, await File.ReadAllTextAsync(vector, Cancel), file.Length);
                Assert.True(result.StartsWith("PackError", StringComparison.Ordinal) || Convert.FromBase64String(result).Length == file.Length, result[..Math.Min(result.Length, 200)]);
            }
        }

        folder = Path.Combine(_vectors, "pack-1");
        Assert.Equal(["Müller, Hans/IMG 1.dcm 2048", "Müller, Hans/_NUL 4200"], await OpenAsync(admin, "pack.sealed"));
        Assert.Equal(["Müller, Hans/IMG 1.dcm 2048", "Müller, Hans/_NUL 4200"], await OpenAsync(admin, "pack-python.sealed"));
        byte[] pack = await File.ReadAllBytesAsync(Path.Combine(folder, "pack.sealed"), Cancel);
        for (int at = 0; at < pack.Length; at += 97)
        {
            Assert.StartsWith("PackError decrypt-failed", Assert.Single(await OpenAsync(admin, "pack.sealed", at)), StringComparison.Ordinal);
        }

        Assert.StartsWith("PackError catalogue-mismatch", Assert.Single(await OpenAsync(admin, "pack.sealed", clinic: "another")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pack_whose_seal_is_right_and_whose_content_is_not_gives_no_file()
    {
        await portal.ReadyAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        byte[] file = Encoding.UTF8.GetBytes("what was archived");
        Assert.Equal(["a/b.txt 17"], await OpenMadeAsync(admin, file, _ => { }));
        Assert.Equal(["failed hash-mismatch"], await OpenMadeAsync(admin, file, manifest => First(manifest)["instance"]!["sha256"] = new string('0', 64)));
        Assert.Equal(["failed zip-invalid"], await OpenMadeAsync(admin, new byte[17], manifest => First(manifest)["instance"]!["length"] = 40, says: 40));
        (string Cause, Action<JsonObject> Change, string Entry)[] refused =
        [
            ("zip-invalid", _ => { }, "../b.txt"), ("zip-invalid", _ => { }, "/b.txt"), ("zip-invalid", _ => { }, "a//b.txt"), ("zip-invalid", _ => { }, "C:b.txt"), ("zip-invalid", _ => { }, "a\\b.txt"),
            ("zip-invalid", _ => { }, "nul.txt"), ("zip-invalid", _ => { }, "manifest.json"), ("zip-invalid", _ => { }, "MANIFEST.JSON"),
            ("zip-invalid", manifest => First(manifest)["entry"] = "another.txt", "a/b.txt"),
            ("zip-invalid", manifest => First(manifest)["instance"]!["length"] = 18, "a/b.txt"),
            ("zip-invalid", manifest => First(manifest)["filter"] = new JsonObject { ["name"] = "f2", ["pixels"] = new JsonObject() }, "a/b.txt"),
            ("zip-invalid", manifest => First(manifest)["root"] = 1, "a/b.txt"),
            ("zip-invalid", manifest => manifest["instances"]!.AsArray().Add(First(manifest).DeepClone()), "a/b.txt"),
            ("zip-invalid", manifest => manifest["format"] = "cloudarchive/manifest/3", "a/b.txt"),
            ("catalogue-mismatch", manifest => manifest["study"] = "1.2.4", "a/b.txt"), ("catalogue-mismatch", manifest => manifest["pack"] = "another", "a/b.txt"), ("catalogue-mismatch", manifest => manifest["clinic"] = "another", "a/b.txt"),
        ];
        foreach ((string cause, Action<JsonObject> change, string entry) in refused)
        {
            Assert.StartsWith($"PackError {cause} ", Assert.Single(await OpenMadeAsync(admin, file, change, entry)), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Names_as_agents_make_them_are_taken_and_those_that_meet_are_not()
    {
        await portal.ReadyAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");
        EntryNames names = new();
        string[] made = [.. new[]
        {
            "a.dcm", "A.DCM", "a.dcm", "CON", "con.txt", "Com\u00b9.dcm", "trailing. ", "dots...", "..", ".", "", "a/b", "a/b/c", "a", "tab\tname", "nul\0", "lone \ud800", "quote\"*:<>?|\\", "straße", "STRASSE", "\u212a.dcm", "k.dcm",
            "\u2126", "\u03c9", "ﬁle", "file", "患者/画像.dcm", "e\u0301", "\u00e9", "🦷/🦷.jpg", "manifest.json", "Manifest.JSON", new string('x', 300), new string('ä', 400) + "/deep/" + new string('y', 900), "İ", "i", "I", "ı", "ſ", "s", "ǆ", "ǅ", "Σ", "ς",
        }.Select(names.Add)];
        Assert.Equal("", await admin.Page.EvaluateAsync<string>(
            "async made => { const { Names } = await import('/portal/assets/pack.js'), names = new Names(); return made.filter(name => !names.isSafe(name) || !names.take(name)).join(); }", made));
        string[] meet = ["one.txt", "ONE.txt", "one.txt/deeper", "folder/file", "FOLDER", "manifest.json"];
        Assert.Equal("one.txt,folder/file", await admin.Page.EvaluateAsync<string>(
            "async made => { const { Names } = await import('/portal/assets/pack.js'), names = new Names(); return made.filter(name => names.take(name)).join(); }", meet));
    }

    [Fact]
    public async Task A_ZIP_of_more_than_4_GiB_opens()
    {
        await portal.ReadyAsync();
        await using PortalVisitor admin = await (await PortalVisitor.OpenAsync(portal)).SignInAsync("local-admin");

        // One blob of 16 MiB many times over: a browser keeps it once.
        string json = await admin.Page.EvaluateAsync<string>(
            """
            async () => {
              const { zipOf } = await import("/portal/assets/pack.js"), some = new Blob([new Uint8Array(1 << 24)]), text = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes)));
              const files = Array.from({ length: 7 }, (_, n) => ({ entry: `a/${n}.bin`, computer: null, label: null, modifiedAt: 1e12, sha256: String(n), crc: 7, blob: new Blob(Array(56).fill(some)) }));
              const { zip } = zipOf(files), pieces = [];
              let at = 0;
              for (const file of files) {
                const head = await zip.slice(at, at + 64).arrayBuffer(), numbers = new DataView(head);
                pieces.push([at, text(head)]);
                at += 30 + numbers.getUint16(26, true) + numbers.getUint16(28, true) + file.blob.size;
              }
              pieces.push([at, text(await zip.slice(at).arrayBuffer())]);
              return JSON.stringify({ size: zip.size, pieces });
            }
            """);
        JsonNode made = JsonNode.Parse(json)!;
        long size = (long)made["size"]!, each = 56L << 24;
        Assert.InRange(size, 7 * each, 7 * each + 2000);
        await using FileStream zip = new(portal.Practice["far.zip"], FileMode.Create);
        zip.SetLength(size); // sparse
        foreach (JsonNode? piece in made["pieces"]!.AsArray())
        {
            zip.Position = (long)piece![0]!;
            await zip.WriteAsync(Convert.FromBase64String((string)piece[1]!), Cancel);
        }

        await using ZipArchive opened = new(zip, ZipArchiveMode.Read);
        Assert.Equal(Enumerable.Range(0, 7).Select(n => ($"a/{n}.bin", each)), opened.Entries.Select(entry => (entry.FullName, entry.Length)));
        await using Stream last = await opened.Entries[^1].OpenAsync(Cancel);
        Assert.Equal(0, last.ReadByte());
    }

    /// <summary>A pack of one file with its manifest as an agent that means harm could make it; its seal, length and SHA-256 are right.</summary>
    private static async Task<string[]> OpenMadeAsync(PortalVisitor visitor, byte[] file, Action<JsonObject> change, string entry = "a/b.txt", int? says = null)
    {
        JsonObject manifest = new()
        {
            ["format"] = "cloudarchive/manifest/2",
            ["clinic"] = "made-up",
            ["pack"] = "01890a5d-ac96-774b-bcce-b302099a8057",
            ["study"] = "1.2.3",
            ["createdAt"] = "2026-01-01T00:00:00+00:00",
            ["roots"] = new JsonArray(new JsonObject { ["computer"] = "pc", ["label"] = "Images" }),
            ["instances"] = new JsonArray(new JsonObject
            {
                ["entry"] = entry,
                ["path"] = entry,
                ["modifiedAt"] = "2026-01-01T00:00:00+00:00",
                ["root"] = 0,
                ["instance"] = new JsonObject { ["sopInstance"] = "1.2.3.4", ["length"] = file.Length, ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(file)) },
            }),
        };
        change(manifest);
        using MemoryStream bytes = new();
        await using (ZipArchive zip = new(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            await WriteAsync(zip, entry, file);
            await WriteAsync(zip, "manifest.json", Encoding.UTF8.GetBytes(manifest.ToJsonString()));
        }

        byte[] plaintext = bytes.ToArray();
        if (says is { } length)
        {
            // The directory says that the entry has more bytes than it inflates to.
            int directory = BinaryPrimitives.ReadInt32LittleEndian(plaintext.AsSpan(plaintext.Length - 6));
            BinaryPrimitives.WriteInt32LittleEndian(plaintext.AsSpan(directory + 24), length);
        }

        byte[] key = RandomNumberGenerator.GetBytes(32), pack = new byte[12 + plaintext.Length + 16];
        pack[4] = 1; // the nonce of the first region
        using (AesGcm aes = new(key, 16))
        {
            aes.Encrypt(pack.AsSpan(0, 12), plaintext, pack.AsSpan(12, plaintext.Length), pack.AsSpan(12 + plaintext.Length));
        }

        using RSA rsa = RSA.Create(2048);
        JsonObject wrapped = new() { ["KeyId"] = "made-up", ["Algorithm"] = "RSA-OAEP-256", ["EncryptedKey"] = Convert.ToBase64String(rsa.Encrypt([.. "2.0\0\0\0\0\0"u8, .. key], RSAEncryptionPadding.OaepSHA256)) };
        return await OpenAsync(visitor, pack, rsa, "made-up", "01890a5d-ac96-774b-bcce-b302099a8057", "1.2.3", wrapped);

        static async Task WriteAsync(ZipArchive zip, string name, byte[] content)
        {
            await using Stream stream = await zip.CreateEntry(name).OpenAsync(Cancel);
            await stream.WriteAsync(content, Cancel);
        }
    }

    private static JsonObject First(JsonObject manifest) => manifest["instances"]![0]!.AsObject();

    private static async Task<string> UnfilterAsync(PortalVisitor visitor, byte[] filtered, string layout, int length) => await visitor.Page.EvaluateAsync<string>(
        """
        async ([filtered, layout, length]) => {
          const { layoutOf, unfilter } = await import("/portal/assets/pack.js");
          try {
            const file = unfilter(Uint8Array.from(atob(filtered), c => c.charCodeAt(0)), layoutOf(JSON.parse(layout), length), length);
            return btoa(Array.from(file, b => String.fromCharCode(b)).join(""));
          } catch (error) {
            return `${error.name} ${error.why} ${error.message}`;
          }
        }
        """,
        new object[] { Convert.ToBase64String(filtered), layout, length });

    /// <summary>What comes out of a golden pack with one bit flipped: names and lengths, or the error.</summary>
    private static async Task<string[]> OpenAsync(PortalVisitor visitor, string name, int? flip = null, string? clinic = null)
    {
        string folder = Path.Combine(_vectors, "pack-1");
        byte[] pack = await File.ReadAllBytesAsync(Path.Combine(folder, name), Cancel);
        if (flip is { } at)
        {
            pack[at] ^= 1;
        }

        JsonNode sidecar = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "sidecar.json"), Cancel))!;
        JsonNode encryption = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "encryptiondata.json"), Cancel))!;
        using RSA rsa = RSA.Create();
        rsa.ImportFromPem(await File.ReadAllTextAsync(Path.Combine(folder, "clinic-key.pem"), Cancel));
        return await OpenAsync(visitor, pack, rsa, clinic ?? (string)sidecar["clinic"]!, (string)sidecar["pack"]!, (string)sidecar["study"]!, encryption["WrappedContentKey"]!.DeepClone());
    }

    private static async Task<string[]> OpenAsync(PortalVisitor visitor, byte[] pack, RSA key, string clinic, string id, string study, JsonNode contentKey)
    {
        JsonObject expected = new()
        {
            ["clinic"] = clinic,
            ["pack"] = id,
            ["study"] = study,
            ["length"] = pack.Length,
            ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(pack)),
            ["contentKey"] = contentKey,
            ["wanted"] = null,
        };
        string json = await visitor.Page.EvaluateAsync<string>(
            """
            async ([pack, pkcs8, expected]) => {
              const { open } = await import("/portal/assets/pack.js"), bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
              const key = await crypto.subtle.importKey("pkcs8", bytes(pkcs8), { name: "RSA-OAEP", hash: "SHA-256" }, false, ["decrypt"]);
              const found = [];
              try {
                for await (const file of open(bytes(pack), key, JSON.parse(expected))) found.push(file.failed ? `failed ${file.failed.why}` : `${file.entry} ${file.bytes.length}`);
              } catch (error) {
                found.push(`${error.name} ${error.why} ${error.message}`);
              }
              return JSON.stringify(found);
            }
            """,
            new object[] { Convert.ToBase64String(pack), Convert.ToBase64String(key.ExportPkcs8PrivateKey()), expected.ToJsonString() });
        return JsonSerializer.Deserialize<string[]>(json)!;
    }
}
