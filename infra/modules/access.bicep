// Who may do what with the archive and its keys: every row of access.json with a scope there. docs/operations.md shows the same table.
// An assignment's name holds its identity's: one that another region's app gets stands beside the old one, since Azure changes none.
import { texts } from '../types.bicep'

@description('The identities of access.json: name and principal id.')
param principals texts

@description('The identities\' own names.')
param identityNames texts

@description('The roles of roles.json: key and id.')
param roleIds texts

param archiveName string
param vaultName string
param clinicVaultNames string[]

var access = loadJsonContent('../access.json')
var tableNames = ['Clinics', 'Catalog', 'Audit', 'Work']
var ofTables = filter(access, row => contains(tableNames, row.scope))
var ofClinicVaults = flatten(map(
  clinicVaultNames,
  name => map(filter(access, row => row.scope == 'clinic-vaults'), row => { vault: name, row: row })
))

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

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' existing = {
  name: vaultName

  resource signing 'keys' existing = {
    name: 'signing'
  }

  resource tokens 'keys' existing = {
    name: 'tokens'
  }
}

resource clinicVaults 'Microsoft.KeyVault/vaults@2026-05-15' existing = [
  for of in ofClinicVaults: {
    name: of.vault
  }
]

resource toArchive 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(access, row => row.scope == 'archive'): {
    scope: archive
    name: guid(archive.id, identityNames[row.identity], row.role)
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
    name: guid(archive::blobs::packs.id, identityNames[row.identity], row.role)
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
    name: guid(archive::blobs::records.id, identityNames[row.identity], row.role)
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
    name: guid(archive.id, row.scope, identityNames[row.identity], row.role)
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
    name: guid(vault.id, identityNames[row.identity], row.role)
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
    name: guid(vault::signing.id, identityNames[row.identity], row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]

resource toTokenKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(access, row => row.scope == 'token-key'): {
    scope: vault::tokens
    name: guid(vault::tokens.id, identityNames[row.identity], row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]

resource toClinicVaults 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (of, i) in ofClinicVaults: {
    scope: clinicVaults[i]
    name: guid(clinicVaults[i].id, identityNames[of.row.identity], of.row.role)
    properties: {
      principalId: principals[of.row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[of.row.role]
      description: of.row.why
    }
  }
]
