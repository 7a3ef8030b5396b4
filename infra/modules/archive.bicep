// The archive: blobs that nobody can overwrite or delete before their time, and the tables beside them.
import { texts } from '../types.bicep'

@minLength(3)
@maxLength(24)
param name string
param location string
param tags texts

@description('GRS keeps a copy in the paired region; LRS does not. Neither ZRS nor GZRS: they have no archive tier.')
@allowed(['Standard_GRS', 'Standard_RAGRS', 'Standard_LRS'])
param redundancy string

param workspaceId string

@description('Where the portal is, such as https://portal.example.org: its pages fetch the packs of a restore that a browser holds the key of.')
param portalOrigins string[]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    allowedCopyScope: 'AAD'
    defaultToOAuthAuthentication: true
    // Nothing but versions that are locked one by one: a default policy would also keep the packs that failed their check.
    immutableStorageWithVersioning: {
      enabled: true
    }
    isHnsEnabled: false
    isLocalUserEnabled: false
    isNfsV3Enabled: false
    isSftpEnabled: false
    minimumTlsVersion: 'TLS1_2'
    // Agents upload from clinics with a SAS for one blob: the endpoint must be reachable, and nothing on it answers without a token or a SAS.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: {
          enabled: true
        }
        table: {
          enabled: true
          keyType: 'Account'
        }
      }
    }
    // A SAS lives an hour; one that lives longer than a day is not ours, and is logged as such.
    sasPolicy: {
      expirationAction: 'Log'
      sasExpirationPeriod: '1.00:00:00'
    }
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    // Which pages may read at all; what they may read, a signature for one blob says.
    cors: {
      corsRules: [
        {
          allowedOrigins: portalOrigins
          allowedMethods: ['GET']
          allowedHeaders: []
          exposedHeaders: []
          maxAgeInSeconds: 3600
        }
      ]
    }
    // Version-level immutability excludes both.
    restorePolicy: {
      enabled: false
    }
    lastAccessTimeTrackingPolicy: {
      enable: false
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 30
    }
  }
}

resource packs 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'packs'
  properties: {
    publicAccess: 'None'
    immutableStorageWithVersioning: {
      enabled: true
    }
  }
}

resource records 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'records'
  properties: {
    publicAccess: 'None'
    immutableStorageWithVersioning: {
      enabled: true
    }
  }
}

resource rows 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [
  for table in ['Clinics', 'Catalog', 'Audit', 'Work']: {
    parent: rows
    name: table
  }
]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: loadJsonContent('../lifecycle.json')
  }
  dependsOn: [
    blobs
  ]
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  scope: account
  name: 'archive'
  properties: {
    level: 'CanNotDelete'
    notes: 'The clinics\' images. docs/operations.md says what must come before its removal.'
  }
}

#disable-next-line use-recent-api-versions // It has no version since 2016 that is not a preview.
resource blobLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobs
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [
      for category in ['StorageRead', 'StorageWrite', 'StorageDelete']: {
        category: category
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

#disable-next-line use-recent-api-versions // It has no version since 2016 that is not a preview.
resource rowLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: rows
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [
      for category in ['StorageWrite', 'StorageDelete']: {
        category: category
        enabled: true
      }
    ]
  }
}
