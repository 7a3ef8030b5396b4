// One setting that is a secret, in the vault. Whoever may read it is a row of access.json.
param vaultName string
param name string

@secure()
param value string

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' existing = {
  name: vaultName

  resource secret 'secrets' = {
    name: name
    properties: {
      value: value
    }
  }
}
