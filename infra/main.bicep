// CloudArchive on Azure: `azd up` deploys this, then the package of src/CloudArchive.Functions to both apps.
// docs/operations.md says what each identity may do and why; scripts/check-infra.cs checks all of it without Azure.
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('azd\'s environment: names the resource group.')
param environmentName string

@minLength(1)
@description('A region that has Flex Consumption: az functionapp list-flexconsumption-locations.')
param location string

@description('Copies of the archive. GRS survives the loss of the region.')
@allowed(['Standard_GRS', 'Standard_RAGRS', 'Standard_LRS'])
param redundancy string = 'Standard_GRS'

@description('Clinics that have a key-encryption key. Adding one here is the first step of its enrollment; taking one out removes nothing.')
param clinics string[] = []

@description('Keys in an HSM.')
param premiumVault bool = false

@description('The apps in a virtual network; vault and host storage reachable through private endpoints only.')
param privateNetworking bool = false

@description('The staff\'s Entra ID application: its tokens\' audience.')
param staffClientId string

@description('The authentication contexts in acrs that stand for a second factor, such as c1; separated by spaces. None: only tokens with amr open what needs one.')
param staffMfaContexts string = ''

@description('Where agents reach the archive, such as https://archive.example/: a domain of your own in front of the ingest app, or empty for the app\'s own. Agents pin it.')
param agentUrl string = ''

@description('Who is told of alerts and of the budget.')
param alertEmails string[] = []

@description('Where alerts are sent as signed webhooks, besides mail: an https URL, or empty for none.')
param webhookUrl string = ''

@secure()
@description('The webhook\'s secret: whsec_ and 24 to 64 random bytes in base64.')
param webhookSecret string = ''

@minValue(1)
@maxValue(365)
@description('After how many days in which nothing was heard of a clinic\'s agents an alert is raised.')
param silentAfterDays int = 4

@minValue(1)
@description('Monthly, in the subscription\'s currency: a warning at 80 % and when the forecast passes it. docs/scale.md has the arithmetic.')
param monthlyBudget int = 500

@description('The first day of this month.')
param budgetStart string = utcNow('yyyy-MM-01')

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: 'log-${token}'
    insightsName: 'appi-${token}'
    location: location
    tags: tags
  }
}

// Role assignments, locks and policies change in the control plane: its log is kept as long as the others.
resource activity 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'cloudarchive-${environmentName}'
  properties: {
    workspaceId: monitoring.outputs.workspaceId
    logs: [
      for category in ['Administrative', 'Policy', 'Security']: {
        category: category
        enabled: true
      }
    ]
  }
}

module archive 'modules/archive.bicep' = {
  name: 'archive'
  scope: group
  params: {
    name: 'starc${token}'
    location: location
    tags: tags
    redundancy: redundancy
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: 'kv-${token}'
    location: location
    tags: tags
    premium: premiumVault
    clinics: clinics
    publicAccess: !privateNetworking
    workspaceId: monitoring.outputs.workspaceId
  }
}

module ingestIdentity 'modules/identity.bicep' = {
  name: 'ingest-identity'
  scope: group
  params: {
    name: 'id-ingest-${token}'
    location: location
    tags: tags
  }
}

module recoveryIdentity 'modules/identity.bicep' = {
  name: 'recovery-identity'
  scope: group
  params: {
    name: 'id-recovery-${token}'
    location: location
    tags: tags
  }
}

module ingestHost 'modules/host.bicep' = {
  name: 'ingest-host'
  scope: group
  params: {
    name: 'stin${token}'
    location: location
    tags: tags
    publicAccess: !privateNetworking
  }
}

module recoveryHost 'modules/host.bicep' = {
  name: 'recovery-host'
  scope: group
  params: {
    name: 'stre${token}'
    location: location
    tags: tags
    publicAccess: !privateNetworking
  }
}

module roles 'modules/roles.bicep' = {
  name: 'cloudarchive-roles-${environmentName}'
  params: {
    environmentName: environmentName
    resourceGroupId: group.id
  }
}

module access 'modules/access.bicep' = {
  name: 'access'
  scope: group
  params: {
    principals: {
      ingest: ingestIdentity.outputs.principalId
      recovery: recoveryIdentity.outputs.principalId
    }
    roleIds: roles.outputs.ids
    archiveName: archive.outputs.name
    vaultName: vault.outputs.name
    signingKey: vault.outputs.signingKey
    insightsName: monitoring.outputs.insightsName
    hostNames: {
      'ingest-host': ingestHost.outputs.name
      'recovery-host': recoveryHost.outputs.name
    }
  }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  name: 'network'
  scope: group
  params: {
    name: 'vnet-${token}'
    location: location
    tags: tags
  }
}

var endpoints = [
  { name: 'archive-blob', kind: 'blob', target: 'archive' }
  { name: 'archive-table', kind: 'table', target: 'archive' }
  { name: 'ingest-host', kind: 'blob', target: 'ingestHost' }
  { name: 'recovery-host', kind: 'blob', target: 'recoveryHost' }
  { name: 'vault', kind: 'vault', target: 'vault' }
]
var targets = {
  archive: archive.outputs.id
  ingestHost: ingestHost.outputs.id
  recoveryHost: recoveryHost.outputs.id
  vault: vault.outputs.id
}

module privateEndpoints 'modules/endpoint.bicep' = [
  for endpoint in endpoints: if (privateNetworking) {
    name: 'endpoint-${endpoint.name}'
    scope: group
    params: {
      name: 'pep-${endpoint.name}-${token}'
      location: location
      tags: tags
      subnetId: network!.outputs.endpointSubnetId
      targetId: targets[endpoint.target]
      kind: endpoint.kind
      zoneId: network!.outputs.zoneIds[endpoint.kind]
    }
  }
]

var settings = {
  CloudArchive__BlobEndpoint: archive.outputs.blobEndpoint
  CloudArchive__TableEndpoint: archive.outputs.tableEndpoint
  CloudArchive__VaultUri: vault.outputs.uri
  CloudArchive__SigningKey: vault.outputs.signingKey
  CloudArchive__StaffAuthority: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
  CloudArchive__SilentAfterDays: string(silentAfterDays)
  CloudArchive__StaffAudience: staffClientId
  CloudArchive__StaffMfaContexts: staffMfaContexts
}

module ingest 'modules/app.bicep' = {
  name: 'ingest'
  scope: group
  params: {
    name: 'func-ingest-${token}'
    planName: 'plan-ingest-${token}'
    location: location
    tags: tags
    role: 'ingest'
    publicUrl: agentUrl
    identityId: ingestIdentity.outputs.id
    identityClientId: ingestIdentity.outputs.clientId
    hostBlobEndpoint: ingestHost.outputs.blobEndpoint
    packageUrl: ingestHost.outputs.packageUrl
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    settings: settings
    subnetId: privateNetworking ? network!.outputs.ingestSubnetId : ''
    workspaceId: monitoring.outputs.workspaceId
  }
  // An app that starts before its rights are there stays broken until it is restarted.
  dependsOn: [access, privateEndpoints]
}

module recovery 'modules/app.bicep' = {
  name: 'recovery'
  scope: group
  params: {
    name: 'func-recovery-${token}'
    planName: 'plan-recovery-${token}'
    location: location
    tags: tags
    role: 'recovery'
    publicUrl: empty(agentUrl) ? ingest.outputs.url : agentUrl
    identityId: recoveryIdentity.outputs.id
    identityClientId: recoveryIdentity.outputs.clientId
    hostBlobEndpoint: recoveryHost.outputs.blobEndpoint
    packageUrl: recoveryHost.outputs.packageUrl
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    // It alone delivers alerts. The secret is no key to images: who has it can forge alerts, no more.
    settings: union(settings, empty(webhookUrl) ? {} : { CloudArchive__WebhookUrl: webhookUrl, CloudArchive__WebhookSecret: webhookSecret })
    subnetId: privateNetworking ? network!.outputs.recoverySubnetId : ''
    workspaceId: monitoring.outputs.workspaceId
  }
  dependsOn: [access, privateEndpoints]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    emails: alertEmails
  }
}

module budget 'modules/budget.bicep' = {
  name: 'budget'
  scope: group
  params: {
    amount: monthlyBudget
    startDate: budgetStart
    actionGroupId: alerts.outputs.actionGroupId
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output CLOUDARCHIVE_INGEST_URL string = ingest.outputs.url
output CLOUDARCHIVE_RECOVERY_URL string = recovery.outputs.url
output CLOUDARCHIVE_VAULT_URI string = vault.outputs.uri
output SERVICE_INGEST_NAME string = ingest.outputs.name
output SERVICE_RECOVERY_NAME string = recovery.outputs.name
