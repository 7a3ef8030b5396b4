// Who may do what: every row of access.json, at its scope. docs/operations.md shows the same table.
@description('The identities of access.json: name and principal id.')
param principals object

@description('The roles of roles.json: key and id.')
param roleIds object

param archiveName string
param vaultName string
param signingKey string
param insightsName string

@description('The apps\' own storage accounts: \'ingest-host\' and \'recovery-host\'.')
param hostNames object

var access = loadJsonContent('../access.json')
var tableNames = ['Clinics', 'Catalog', 'Audit', 'Work']
var ofTables = filter(access, row => contains(tableNames, row.scope))
var ofHosts = filter(access, row => endsWith(row.scope, '-host'))

resource archive 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: archiveName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource packs 'containers' existing = {
      name: 'packs'
    }

    resource records 'containers' existing = {
      name: 'records'
    }
  }

  resource rows 'tableServices' existing = {
    name: 'default'
  }
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' existing = [
  for row in ofTables: {
    parent: archive::rows
    name: row.scope
  }
]

resource hosts 'Microsoft.Storage/storageAccounts@2025-06-01' existing = [
  for row in ofHosts: {
    name: hostNames[row.scope]
  }
]

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName

  resource signing 'keys' existing = {
    name: signingKey
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource toArchive 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(access, row => row.scope == 'archive'): {
    scope: archive
    name: guid(archive.id, row.identity, row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]

resource toPacks 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(access, row => row.scope == 'packs'): {
    scope: archive::blobs::packs
    name: guid(archive::blobs::packs.id, row.identity, row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]

resource toRecords 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(access, row => row.scope == 'records'): {
    scope: archive::blobs::records
    name: guid(archive::blobs::records.id, row.identity, row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]

resource toTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (row, i) in ofTables: {
    scope: tables[i]
    name: guid(archive.id, row.scope, row.identity, row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]

resource toVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(access, row => row.scope == 'vault'): {
    scope: vault
    name: guid(vault.id, row.identity, row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]

resource toSigningKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(access, row => row.scope == 'signing-key'): {
    scope: vault::signing
    name: guid(vault::signing.id, row.identity, row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]

resource toHosts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (row, i) in ofHosts: {
    scope: hosts[i]
    name: guid(resourceGroup().id, row.scope, row.identity, row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]

resource toInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(access, row => row.scope == 'insights'): {
    scope: insights
    name: guid(insights.id, row.identity, row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]
