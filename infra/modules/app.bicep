// One Functions app on Flex Consumption, and the identity that it runs as. Its settings are in settings.bicep: each app is told the other's address.
import { texts } from '../types.bicep'

param name string
param planName string
param location string
param tags texts

@description('azure.yaml\'s name for it, and its role: it runs the functions that functions.json gives that role and no others.')
@allowed(['ingest', 'recovery'])
param role string

param identityId string
param packageUrl string

@description('Who signs people in, and for which application: as the service\'s own settings have it.')
param staffAuthority string
param staffClientId string

@description('Empty where the app is in no virtual network.')
param subnetId string

@description('2,048 MB is one core: sealing and hashing want no more.')
@allowed([2048, 4096])
param instanceMemoryMB int = 2048

@minValue(40)
@maxValue(1000)
param maximumInstances int = 100

@description('Requests that an instance has at once. One that commits reads a pack back, 64 MiB or so, at what its share of the core hashes.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

param workspaceId string

var signsIn = role == 'recovery'

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': role })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    clientAffinityEnabled: false
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'dotnet-isolated'
        version: '10.0'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstances
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
    siteConfig: {
      ftpsState: 'Disabled'
      http20Enabled: true
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
    }
  }
}

// Signs people in to the portal. Requests without a session pass: the app asks for a bearer token itself, as everywhere, and the portal for its session.
// The ID token that is handed on is validated by the app; the token store is what makes the platform hand it on.
resource signIn 'Microsoft.Web/sites/config@2025-03-01' = if (signsIn) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: staffClientId
          openIdIssuer: staffAuthority
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
        }
        login: {
          loginParameters: [
            'scope=openid profile'
            'prompt=login'
          ]
        }
        validation: {
          allowedAudiences: [
            staffClientId
          ]
        }
      }
    }
    login: {
      tokenStore: {
        enabled: true
      }
      cookieExpiration: {
        convention: 'FixedTime'
        timeToExpiration: '08:00:00'
      }
    }
    httpSettings: {
      requireHttps: true
    }
  }
}

// Deployment is with Entra ID alone.
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

#disable-next-line use-recent-api-versions // It has no version since 2016 that is not a preview.
resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: app
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
  }
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}/'
