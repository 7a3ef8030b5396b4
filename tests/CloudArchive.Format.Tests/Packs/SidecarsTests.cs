using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Format.Packs;

namespace CloudArchive.Format.Tests.Packs;

public sealed class SidecarsTests
{
    [Fact]
    public async Task A_sidecar_survives_the_way_to_rest_and_back()
    {
        Sidecar sidecar = (await SamplePack.CreateAsync()).Sidecar with { StudyDate = "20251231", PatientHmac = Sha256Digest.Of("p"u8), AccessionHmac = Sha256Digest.Of("a"u8) };
        byte[] json = Sidecars.Serialize(sidecar);
        Sidecar back = Sidecars.Parse(json);

        Assert.Equal(json, Sidecars.Serialize(back));
        Assert.Equal(sidecar.Instances, back.Instances);
        Assert.Equal(sidecar with { Instances = back.Instances, Encryption = back.Encryption, Escrow = back.Escrow }, back);
    }

    [Fact]
    public async Task A_sidecar_holds_no_path()
    {
        string json = Encoding.UTF8.GetString(Sidecars.Serialize((await SamplePack.CreateAsync()).Sidecar));

        Assert.DoesNotContain("ller", json, StringComparison.Ordinal);
        Assert.DoesNotContain("IMG", json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_newer_writer_adds_is_ignored()
    {
        JsonObject json = await JsonAsync();
        json["new"] = 1;

        Sidecars.Parse(JsonSerializer.SerializeToUtf8Bytes(json));
    }

    public static TheoryData<string, string?> Contradictions => new()
    {
        { "format", "\"cloudarchive/sidecar/2\"" },
        { "format", null },
        { "clinic", "\"X\"" },
        { "pack", "\"01890A5D-AC96-774B-BCCE-B302099A8057\"" },
        { "length", "1" },
        { "length", "-5" },
        { "length", "0" },
        { "plaintextLength", "1" },
        { "sha256", "\"abc\"" },
        { "instancesRoot", "\"0000000000000000000000000000000000000000000000000000000000000000\"" },
        { "instances", "[]" },
        { "instances", "[null]" },
        { "instances", null },
        { "studyDate", "\"20250230\"" },
        { "studyDate", "\"Müller\"" },
        { "patientHmac", "\"PAT-001\"" },
        { "escrow", "{\"keyId\":\"k\"}" },
        { "escrow", "{\"KeyId\":\"k\",\"EncryptedKey\":\"AQID\",\"Algorithm\":\"RSA1_5\"}" },
        { "encryption", null },
    };

    [Theory]
    [MemberData(nameof(Contradictions))]
    public async Task A_sidecar_that_contradicts_itself_is_refused(string member, string? value)
    {
        JsonObject json = await JsonAsync();
        json[member] = value is null ? null : JsonNode.Parse(value);

        Assert.Equal(PackFault.SidecarInvalid, Assert.Throws<PackException>(() => Sidecars.Parse(JsonSerializer.SerializeToUtf8Bytes(json))).Fault);
    }

    [Fact]
    public async Task A_sidecar_of_another_encryption_is_refused()
    {
        JsonObject json = await JsonAsync();
        json["encryption"]!["EncryptionAgent"]!["Protocol"] = "1.0";

        Assert.Equal(PackFault.EncryptionDataInvalid, Assert.Throws<PackException>(() => Sidecars.Parse(JsonSerializer.SerializeToUtf8Bytes(json))).Fault);
    }

    [Fact]
    public void The_root_tells_every_change_to_the_list()
    {
        SidecarInstance a = SamplePack.Instance([1]);
        SidecarInstance b = SamplePack.Instance([1, 2]);
        SidecarInstance[][] lists = [[], [a], [b], [a, b], [b, a], [a, a], [a, b, a], [a with { Modality = null }], [a with { Length = 2 }], [a with { Series = null }]];

        Assert.Equal(lists.Length, lists.Select(InstancesRoot.Of).Distinct().Count());
    }

    private static async Task<JsonObject> JsonAsync() => (JsonObject)JsonNode.Parse(Sidecars.Serialize((await SamplePack.CreateAsync()).Sidecar))!;
}
