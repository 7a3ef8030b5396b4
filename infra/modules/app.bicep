// One Functions app on Flex Consumption, and the identity that it runs as.
param name string
param planName string
param location string
param tags object

@description('azure.yaml\'s name for it, and its role: it runs the functions that functions.json gives that role and no others.')
@allowed(['ingest', 'recovery'])
param role string

param identityId string
param identityClientId string
param hostBlobEndpoint string
param packageUrl string
param insightsConnectionString string

@description('Settings of the service itself.')
param settings object

@description('Where agents reach the archive: issuer and audience of their tokens. Empty: here.')
param publicUrl string

@description('Empty where the app is in no virtual network.')
param subnetId string

@description('2,048 MB is one core: sealing and hashing want no more.')
@allowed([2048, 4096])
param instanceMemoryMB int = 2048

@minValue(40)
@maxValue(1000)
param maximumInstances int = 100

param workspaceId string

var functions = loadJsonContent('../functions.json')
var foreign = filter(
  union(flatten(map(items(functions), other => other.value)), []),
  function => !contains(functions[role], function)
)

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
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

resource app 'Microsoft.Web/sites@2024-11-01' = {
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

resource appSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union(
    settings,
    {
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
      AZURE_CLIENT_ID: identityClientId
      AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__credential: 'managedidentity'
      CloudArchive__PublicUrl: empty(publicUrl) ? 'https://${app.properties.defaultHostName}/' : publicUrl
      CloudArchive__Role: role
    },
    toObject(foreign, function => 'AzureWebJobs.${function}.Disabled', function => 'true')
  )
}

// Signs people in to the portal. Requests without a session pass: the app asks for a bearer token itself, as everywhere, and the portal for its session.
// The ID token that is handed on is validated by the app; the token store is what makes the platform hand it on.
resource signIn 'Microsoft.Web/sites/config@2024-11-01' = if (role == 'recovery') {
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
          clientId: settings.CloudArchive__StaffAudience
          openIdIssuer: settings.CloudArchive__StaffAuthority
        }
        login: {
          loginParameters: [
            'scope=openid profile'
            'prompt=login'
          ]
        }
        validation: {
          allowedAudiences: [
            settings.CloudArchive__StaffAudience
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
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

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
