using System.Text;
using CloudArchive.Core.Alerts;

namespace CloudArchive.Core.Tests.Alerts;

public sealed class WebhookTargetTests
{
    [Fact]
    public void The_signature_is_that_of_the_schemes_own_example()
    {
        string signature = WebhookTarget.Parse("https://hooks.example/a", Receiver.Secret)
            .Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", DateTimeOffset.FromUnixTimeSeconds(1614265330), Encoding.UTF8.GetBytes("""{"test": 2432232314}"""));
        Assert.Equal("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature);
    }

    [Theory]
    [InlineData("https://hooks.example/services/T0/B0")]
    [InlineData("https://hooks.example:8443/?a=b")]
    [InlineData("http://127.0.0.1:9000/")]
    [InlineData("http://localhost/hook")]
    public void Https_is_taken_and_http_on_this_machine(string address) => Assert.Equal(address, WebhookTarget.Parse(address, Receiver.Secret).Address.OriginalString);

    [Theory]
    [InlineData("http://hooks.example/a")]
    [InlineData("http://169.254.169.254/metadata")]
    [InlineData("ftp://hooks.example/a")]
    [InlineData("file:///etc/passwd")]
    [InlineData("https://user:word@hooks.example/a")]
    [InlineData("https://hooks.example/a#b")]
    [InlineData("/hook")]
    [InlineData("")]
    public void No_other_address_is(string address) => Assert.Throws<FormatException>(() => WebhookTarget.Parse(address, Receiver.Secret));

    [Theory]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [InlineData("whsec_")]
    [InlineData("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa")]
    [InlineData("whsec_not base64!")]
    [InlineData("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public void A_secret_that_breaks_the_rule_is_refused_and_not_told(string secret)
    {
        FormatException e = Assert.Throws<FormatException>(() => WebhookTarget.Parse("https://hooks.example/a", secret));
        Assert.Equal("The webhook's secret is whsec_ and 24 to 64 random bytes in base64.", e.Message);
    }

    [Fact]
    public void Neither_the_secret_nor_the_path_is_in_the_text_of_a_target()
    {
        string text = WebhookTarget.Parse("https://hooks.example/services/T0SECRET", Receiver.Secret).ToString();
        Assert.Equal("hooks.example", text);
    }
}
