// What the apps may do among themselves: every row of access.json with a scope in their own group.
import { texts } from '../types.bicep'

@description('The identities of access.json: name and principal id.')
param principals texts

@description('The identities\' own names.')
param identityNames texts

@description('The roles of roles.json: key and id.')
param roleIds texts

param insightsName string

@description('The apps\' own storage accounts, by identity.')
param hostNames texts

var access = loadJsonContent('../access.json')
var ofHosts = filter(access, row => endsWith(row.scope, '-host'))

resource hosts 'Microsoft.Storage/storageAccounts@2025-06-01' existing = [
  for row in ofHosts: {
    name: hostNames[split(row.scope, '-')[0]]
  }
]

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource toHosts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (row, i) in ofHosts: {
    scope: hosts[i]
    name: guid(hosts[i].id, identityNames[row.identity], row.role)
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
    name: guid(insights.id, identityNames[row.identity], row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[row.role]
      description: row.why
    }
  }
]
