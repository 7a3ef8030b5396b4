// Keys: one that signs, and one for each clinic that wraps its content keys. Private halves never leave the vault.
@minLength(3)
@maxLength(24)
param name string
param location string
param tags object

@description('Keys in an HSM (FIPS 140-3 level 3) rather than in software.')
param premium bool

@description('A key-encryption key is made for each: CloudArchive\'s apps cannot make one.')
param clinics string[]

@description('False where the apps reach it through a private endpoint.')
param publicAccess bool

param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: premium ? 'premium' : 'standard'
    }
    enableRbacAuthorization: true
    enablePurgeProtection: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: publicAccess ? 'Allow' : 'Deny'
    }
  }
}

// Versions neither expire nor are disabled: every one that ever wrapped must unwrap, every one that ever signed must verify.
resource signing 'Microsoft.KeyVault/vaults/keys@2024-11-01' = {
  parent: vault
  name: 'signing'
  tags: tags
  properties: {
    kty: premium ? 'EC-HSM' : 'EC'
    curveName: 'P-256'
    keyOps: ['sign', 'verify']
    attributes: {
      enabled: true
      exportable: false
    }
    rotationPolicy: {
      lifetimeActions: [
        {
          action: {
            type: 'rotate'
          }
          trigger: {
            timeAfterCreate: 'P1Y'
          }
        }
      ]
    }
  }
}

// RSA-3072: 1,000 operations in 10 seconds a vault, and good beyond 2030 (NIST SP 800-57).
resource wrapping 'Microsoft.KeyVault/vaults/keys@2024-11-01' = [
  for clinic in clinics: {
    parent: vault
    name: 'kek-${clinic}'
    tags: tags
    properties: {
      kty: premium ? 'RSA-HSM' : 'RSA'
      keySize: 3072
      keyOps: ['wrapKey', 'unwrapKey']
      attributes: {
        enabled: true
        exportable: false
      }
      rotationPolicy: {
        lifetimeActions: [
          {
            action: {
              type: 'rotate'
            }
            trigger: {
              timeAfterCreate: 'P2Y'
            }
          }
        ]
      }
    }
  }
]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  scope: vault
  name: 'keys'
  properties: {
    level: 'CanNotDelete'
    notes: 'Without these keys a pack opens with the clinic\'s escrow key only.'
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

output name string = vault.name
output id string = vault.id
output uri string = vault.properties.vaultUri
output signingKey string = signing.name
