// A vault of keys. Private halves never leave it.
import { texts } from '../types.bicep'

@minLength(3)
@maxLength(24)
param name string
param location string
param tags texts

@description('Keys in an HSM (FIPS 140-3 level 3) rather than in software.')
param premium bool

@description('Whether the archive\'s keys that sign are in it. The clinics\' keys are made by the recovery app, when a clinic is created.')
param signs bool

@description('False where the apps reach it through a private endpoint.')
param publicAccess bool

param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' = {
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

// Signs what is to verify for ever. Versions do not expire: every one that ever signed must verify. Azure makes the first one of what stands here, and
// refuses later changes of it.
resource signing 'Microsoft.KeyVault/vaults/keys@2026-05-15' = if (signs) {
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

// Signs what opens doors: agents' tokens and portal sessions. Of its versions the last two are believed, while they are enabled.
resource tokens 'Microsoft.KeyVault/vaults/keys@2026-05-15' = if (signs) {
  parent: vault
  name: 'tokens'
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
            timeAfterCreate: 'P90D'
          }
        }
      ]
    }
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  scope: vault
  name: 'keys'
  properties: {
    level: 'CanNotDelete'
    notes: 'Without these keys a pack opens with the clinic\'s escrow key only, and nothing new is signed.'
  }
}

#disable-next-line use-recent-api-versions // It has no version since 2016 that is not a preview.
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
