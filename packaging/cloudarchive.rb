class Cloudarchive < Formula
  desc "Off-site copy of a clinic's images, tested every day"
  homepage "{repository}"
  version "{version}"
  license "MIT"

  on_macos do
    depends_on arch: :arm64
    url "{repository}/releases/download/v{version}/cloudarchive-{version}-osx-arm64.tar.gz"
    sha256 "{sha256:cloudarchive-{version}-osx-arm64.tar.gz}"
  end

  on_linux do
    on_intel do
      url "{repository}/releases/download/v{version}/cloudarchive-{version}-linux-x64.tar.gz"
      sha256 "{sha256:cloudarchive-{version}-linux-x64.tar.gz}"
    end
    on_arm do
      url "{repository}/releases/download/v{version}/cloudarchive-{version}-linux-arm64.tar.gz"
      sha256 "{sha256:cloudarchive-{version}-linux-arm64.tar.gz}"
    end
  end

  def install
    bin.install "cloudarchive"
  end

  def caveats
    "Set this computer up: cloudarchive setup"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/cloudarchive --version")
  end
end
