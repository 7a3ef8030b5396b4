using CloudArchive.Cli.Backup;

namespace CloudArchive.Cli.Tests.Backup;

public class VolumesTests
{
    private const string Mounts =
        """
        22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
        30 22 8:17 / /mnt/images rw,relatime - ext4 /dev/sdb1 rw
        31 22 0:50 / /mnt/nas rw,relatime - cifs //nas/share rw
        32 22 0:51 /export/x /mnt/with\040space rw,relatime - nfs4 nas:/export rw
        33 22 8:33 / /mnt/images/inner rw,relatime - ext4 /dev/sdc1 rw
        34 22 0:60 / /mnt/auto rw,relatime - autofs /etc/auto.misc rw
        35 22 8:18 / /mnt/nas rw,relatime - cifs //nas/other rw
        nonsense
        """;

    [Theory]
    [InlineData("/home/x", "ext4:uuid-of-sda1:/")]
    [InlineData("/mnt/images", "ext4:uuid-of-sdb1:/")]
    [InlineData("/mnt/images/2024", "ext4:uuid-of-sdb1:/")]
    [InlineData("/mnt/images/inner/x", "ext4:uuid-of-sdc1:/")]
    [InlineData("/mnt/images2", "ext4:uuid-of-sda1:/")]
    [InlineData("/mnt/nas/x", "cifs://nas/other:/")]
    [InlineData("/mnt/with space/y", "nfs4:nas:/export:/export/x")]
    [InlineData("/mnt/auto/x", null)]
    public void A_folder_lies_on_the_innermost_and_last_mount_a_disk_by_its_uuid_and_a_share_by_its_name(string folder, string? expected)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Paths of Linux.");
        Assert.Equal(expected, Volumes.OnLinux(folder, Mounts.Split('\n'), device => device.StartsWith("/dev/", StringComparison.Ordinal) ? $"uuid-of-{device[5..]}" : null));
    }

    [Fact]
    public void This_computer_says_of_a_folder_twice_the_same()
    {
        Assert.NotNull(Volumes.IdOf(AppContext.BaseDirectory));
        Assert.Equal(Volumes.IdOf(AppContext.BaseDirectory), Volumes.IdOf(AppContext.BaseDirectory));
    }
}
