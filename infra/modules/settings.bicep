// What an app is told. Apart from the app: both apps print both addresses, so both must be there first.
import { texts } from '../types.bicep'

param name string

@allowed(['ingest', 'recovery'])
param role string

param identityClientId string
param hostBlobEndpoint string
param hostQueueEndpoint string
param insightsConnectionString string

@description('Settings of the service itself.')
param settings texts

@description('Where agents reach the archive: issuer and audience of their tokens.')
param publicUrl string

@description('Where staff reach it: portal, commands, links in mail.')
param recoveryUrl string

var signsIn = role == 'recovery'
var functions = loadJsonContent('../functions.json')
var foreign = filter(
  union(flatten(map(items(functions), other => other.value)), []),
  function => !contains(functions[role], function)
)

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: name
}

resource appSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: union(
    settings,
    {
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
      AZURE_CLIENT_ID: identityClientId
      // `/` is ours: it leads to the portal.
      AzureWebJobsDisableHomepage: 'true'
      AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__queueServiceUri: hostQueueEndpoint
      CloudArchive__PublicUrl: publicUrl
      CloudArchive__RecoveryUrl: recoveryUrl
      CloudArchive__Role: role
    },
    toObject(foreign, function => 'AzureWebJobs.${function}.Disabled', function => 'true'),
    // The sign-in proves itself to Entra ID as this identity, a federated credential of the staff's application: no secret to keep or renew.
    signsIn ? { OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identityClientId } : {}
  )
}
