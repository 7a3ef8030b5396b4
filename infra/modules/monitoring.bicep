// Logs: 90 days to query at once, and the rest of six years kept (45 CFR 164.316(b)(2)).
import { texts } from '../types.bicep'

param workspaceName string
param insightsName string
param location string
param tags texts

// Six years can be 2,192 days; the steps that Log Analytics offers are 2,191 and 2,556.
var keptDays = 2556

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 90
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
      immediatePurgeDataOn30Days: false
    }
  }
}

@batchSize(1)
resource kept 'Microsoft.OperationalInsights/workspaces/tables@2025-07-01' = [
  for table in [
    'AZKVAuditLogs'
    'AppExceptions'
    'AppRequests'
    'AppTraces'
    'AzureActivity'
    'FunctionAppLogs'
    'StorageBlobLogs'
    'StorageTableLogs'
  ]: {
    parent: workspace
    name: table
    properties: {
      plan: 'Analytics'
      retentionInDays: 90
      totalRetentionInDays: keptDays
    }
  }
]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  scope: workspace
  name: 'logs'
  properties: {
    level: 'CanNotDelete'
    notes: 'Six years of logs.'
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: true
    WorkspaceResourceId: workspace.id
  }
}

output workspaceId string = workspace.id
output insightsConnectionString string = insights.properties.ConnectionString
