# Installs cloudarchive {version} for everybody on this computer, or brings it up to date:
#   irm {repository}/releases/download/v{version}/install.ps1 | iex
# A ZIP beside this script is taken instead of the download, for computers without a way out.
$ErrorActionPreference = 'Stop'

# No #Requires: what comes through iex does not heed it.
$me = [Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()
if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    throw 'This takes an administrator: open PowerShell with "Run as administrator" and give the same command.'
}

$version = '{version}'
$zip = "cloudarchive-$version-win-x64.zip"
$expected = '{sha256:cloudarchive-{version}-win-x64.zip}'
$target = Join-Path $env:ProgramFiles 'CloudArchive'

$work = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid())
New-Item -ItemType Directory $work | Out-Null
try {
    $file = Join-Path $work $zip
    $beside = if ($PSScriptRoot) { Join-Path $PSScriptRoot $zip }
    if ($beside -and (Test-Path $beside)) { Copy-Item $beside $file }
    else {
        [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
        Invoke-WebRequest "{repository}/releases/download/v$version/$zip" -OutFile $file -UseBasicParsing
    }

    if ((Get-FileHash $file -Algorithm SHA256).Hash -ne $expected) { throw "$zip is not the file that was released: its SHA-256 is another. Nothing was installed." }
    Expand-Archive $file $work

    # The service holds its own file: it is stopped, and goes on with the new one.
    $service = Get-Service CloudArchive -ErrorAction SilentlyContinue
    $ran = $service -and $service.Status -eq 'Running'
    if ($ran) { Stop-Service CloudArchive }
    New-Item -ItemType Directory $target -Force | Out-Null
    Copy-Item (Join-Path $work 'cloudarchive.exe') $target -Force
    if ($ran) { Start-Service CloudArchive }

    $path = [Environment]::GetEnvironmentVariable('Path', 'Machine')
    if (($path -split ';') -notcontains $target) { [Environment]::SetEnvironmentVariable('Path', "$path;$target", 'Machine') }
    $env:Path = "$env:Path;$target"
    & (Join-Path $target 'cloudarchive.exe') --version
    Write-Host 'Installed. Set this computer up: cloudarchive setup'
}
finally { Remove-Item $work -Recurse -Force }
