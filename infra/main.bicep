// CloudArchive on Azure: `azd up` deploys this, then the package of src/CloudArchive.Functions to both apps.
// Two groups: the archive with its keys, which nothing but a failover moves; and the apps, which a region's loss moves elsewhere.
// docs/operations.md says what each identity may do and why; scripts/check-infra.cs checks all of it without Azure.
targetScope = 'subscription'

import { texts } from 'types.bicep'

@minLength(1)
@maxLength(40)
@description('azd\'s environment: names the resource groups.')
param environmentName string

@minLength(1)
@description('Where the archive and its keys are.')
param location string

@minLength(1)
@description('Where the apps are, and what they need: a region that has Flex Consumption (az functionapp list-flexconsumption-locations).')
param appLocation string = location

@minLength(1)
@description('Where Azure keeps the archive group\'s own record. While that region is away nothing in the group can be changed: best the archive\'s paired region.')
param groupLocation string = location

@description('The archive and its keys are there and are left as they are: their region is lost, or the account has failed over. Only rights on them are given.')
param existingArchive bool = false

@description('Copies of the archive. GRS survives the loss of the region.')
@allowed(['Standard_GRS', 'Standard_RAGRS', 'Standard_LRS'])
param redundancy string = 'Standard_GRS'

@minValue(1)
@maxValue(9)
@description('Vaults that clinics\' keys are spread over: each opens 100 packs a second. More can be added, none taken away.')
param clinicVaults int = 1

@description('Keys in an HSM.')
param premiumVault bool = false

@description('The apps in a virtual network; vaults and host storage reachable through private endpoints only.')
param privateNetworking bool = false

@minLength(1)
@description('The staff\'s Entra ID application: its tokens\' audience.')
param staffClientId string

@description('The authentication contexts in acrs that stand for a second factor, such as c1; separated by spaces. None: only tokens with amr open what needs one.')
param staffMfaContexts string = ''

@description('The public client with which cloudarchive login signs staff in; none: commands need a token that was got otherwise.')
param staffCliClientId string = ''

@description('Where agents reach the archive, such as https://archive.example/: a domain of your own in front of the ingest app, or empty for the app\'s own. Agents pin it.')
param agentUrl string = ''

@description('Who is told of alerts and of the budget.')
param alertEmails string[] = []

@description('Where alerts are sent as signed webhooks, besides mail: an https URL, or empty for none.')
param webhookUrl string = ''

@secure()
@description('The webhook\'s secret: whsec_ and 24 to 64 random bytes in base64. Empty: the vault has it from an earlier deployment.')
param webhookSecret string = ''

@description('Where mail goes out: smtp://user@host:587 (with STARTTLS) or smtps://user@host:465, an @ in the user name as %40; or empty for no mail of the archive\'s own.')
param mailServer string = ''

@secure()
@description('The mail server\'s password, where a user signs in there. Empty: the vault has it from an earlier deployment.')
param mailPassword string = ''

@description('The address that mail comes from.')
param mailFrom string = ''

@description('The operator\'s address: every alert goes there, and the weekly letter.')
param mailOperator string = ''

@description('Where staff reach the portal and the recovery app, such as https://portal.example/: a domain of your own in front of it, or empty for the app\'s own. Links in mail and printed commands have it.')
param portalUrl string = ''

@minValue(1)
@maxValue(365)
@description('After how many days in which nothing was heard of a clinic\'s agents an alert is raised.')
param silentAfterDays int = 4

@description('Networks of your own proxies in front of the apps, such as a Front Door, separated by spaces: their X-Forwarded-For is believed. Empty: the platform\'s own front end alone.')
param trustedProxies string = ''

@minValue(1)
@description('Monthly, in the subscription\'s currency: a warning at 80 % and when the forecast passes it. docs/scale.md has the arithmetic.')
param monthlyBudget int = 500

@description('The first day of the month of the first deployment, such as 2027-01-01, and the same ever after: Azure refuses to change it. Empty: no budget.')
param budgetStart string = ''

// The archive's names know no region, so that it is found again from any; the apps' names know theirs.
var token = toLower(uniqueString(subscription().id, environmentName))
var appToken = toLower(uniqueString(subscription().id, environmentName, appLocation))
var archiveGroupName = 'rg-${environmentName}'
var appGroupName = 'rg-${environmentName}-${appLocation}'
var archiveName = 'starc${token}'
var vaultName = 'kv-${token}'
var clinicVaultNames = map(range(0, clinicVaults), i => 'kc${i}-${token}')
var workspaceName = 'log-${appToken}'
var insightsName = 'appi-${appToken}'
var identityNames = { ingest: 'id-ingest-${appToken}', recovery: 'id-recovery-${appToken}' }
var appNames = { ingest: 'func-ingest-${appToken}', recovery: 'func-recovery-${appToken}' }
// By its name, not by the app's output: the app needs the archive, and so cannot come before it.
var portalOrigins = concat(
  ['https://${appNames.recovery}.azurewebsites.net'],
  empty(portalUrl) ? [] : ['https://${split(portalUrl, '/')[2]}']
)
var hostNames = { ingest: 'stin${appToken}', recovery: 'stre${appToken}' }

// azd looks for the apps in the group that has its tag.
var tags = { 'azd-env-name': environmentName }
var archiveTags = { 'cloudarchive-env-name': environmentName }

// Each role's key in roles.json and the id to assign.
var archiveGroupId = subscriptionResourceId('Microsoft.Resources/resourceGroups', archiveGroupName)
var roleIds texts = toObject(
  items(loadJsonContent('roles.json')),
  role => role.key,
  role =>
    subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      role.value.?builtIn ?? guid(archiveGroupId, role.key)
    )
)

func idOf(group string, type string, name string) string => resourceId(subscription().subscriptionId, group, type, name)
func secretOf(vault string, name string) string =>
  '@Microsoft.KeyVault(SecretUri=https://${vault}${environment().suffixes.keyvaultDns}/secrets/${name})'

resource archiveGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = if (!existingArchive) {
  name: archiveGroupName
  location: groupLocation
  tags: archiveTags
}

resource appGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: appGroupName
  location: appLocation
  tags: tags
}

module monitoring 'modules/monitoring.bicep' = {
  scope: appGroup
  params: {
    workspaceName: workspaceName
    insightsName: insightsName
    location: appLocation
    tags: tags
  }
}

// Role assignments, locks and policies change in the control plane: its log is kept as long as the others.
#disable-next-line use-recent-api-versions // It has no version since 2016 that is not a preview.
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

module archive 'modules/archive.bicep' = if (!existingArchive) {
  scope: resourceGroup(archiveGroupName)
  params: {
    name: archiveName
    location: location
    tags: archiveTags
    redundancy: redundancy
    workspaceId: monitoring.outputs.workspaceId
    portalOrigins: portalOrigins
  }
  dependsOn: [archiveGroup]
}

// What the archive signs with, and what its settings keep secret.
module vault 'modules/vault.bicep' = if (!existingArchive) {
  scope: resourceGroup(archiveGroupName)
  params: {
    name: vaultName
    location: location
    tags: archiveTags
    premium: premiumVault
    signs: true
    publicAccess: !privateNetworking
    workspaceId: monitoring.outputs.workspaceId
  }
  dependsOn: [archiveGroup]
}

// The clinics' keys, apart: the recovery app makes them, and must not be able to make a key that signs.
module clinicKeys 'modules/vault.bicep' = [
  for name in clinicVaultNames: if (!existingArchive) {
    scope: resourceGroup(archiveGroupName)
    params: {
      name: name
      location: location
      tags: archiveTags
      premium: premiumVault
      signs: false
      publicAccess: !privateNetworking
      workspaceId: monitoring.outputs.workspaceId
    }
    dependsOn: [archiveGroup]
  }
]

// A setting that is a secret: the vault has it, an app setting names it (secretOf). It passes through @secure() parameters alone.
module webhookSecretInVault 'modules/secret.bicep' = if (!existingArchive && !empty(webhookSecret)) {
  scope: resourceGroup(archiveGroupName)
  params: {
    vaultName: vaultName
    name: 'webhook-secret'
    value: webhookSecret
  }
  dependsOn: [vault]
}

module mailPasswordInVault 'modules/secret.bicep' = if (!existingArchive && !empty(mailPassword)) {
  scope: resourceGroup(archiveGroupName)
  params: {
    vaultName: vaultName
    name: 'mail-password'
    value: mailPassword
  }
  dependsOn: [vault]
}

module ingestIdentity 'modules/identity.bicep' = {
  scope: appGroup
  params: {
    name: identityNames.ingest
    location: appLocation
    tags: tags
  }
}

module recoveryIdentity 'modules/identity.bicep' = {
  scope: appGroup
  params: {
    name: identityNames.recovery
    location: appLocation
    tags: tags
  }
}

module ingestHost 'modules/host.bicep' = {
  scope: appGroup
  params: {
    name: hostNames.ingest
    location: appLocation
    tags: tags
    publicAccess: !privateNetworking
  }
}

module recoveryHost 'modules/host.bicep' = {
  scope: appGroup
  params: {
    name: hostNames.recovery
    location: appLocation
    tags: tags
    publicAccess: !privateNetworking
  }
}

module roles 'modules/roles.bicep' = {
  params: {
    environmentName: environmentName
    resourceGroupId: archiveGroupId
  }
  dependsOn: [archiveGroup]
}

var principals texts = {
  ingest: ingestIdentity.outputs.principalId
  recovery: recoveryIdentity.outputs.principalId
}

module access 'modules/access.bicep' = {
  scope: resourceGroup(archiveGroupName)
  params: {
    principals: principals
    identityNames: identityNames
    roleIds: roleIds
    archiveName: archiveName
    vaultName: vaultName
    clinicVaultNames: clinicVaultNames
  }
  dependsOn: [archive, vault, clinicKeys, roles]
}

module appAccess 'modules/app-access.bicep' = {
  scope: appGroup
  params: {
    principals: principals
    identityNames: identityNames
    roleIds: roleIds
    insightsName: insightsName
    hostNames: hostNames
  }
  dependsOn: [monitoring, ingestHost, recoveryHost]
}

module network 'modules/network.bicep' = if (privateNetworking) {
  scope: appGroup
  params: {
    name: 'vnet-${appToken}'
    location: appLocation
    tags: tags
  }
}

var accounts = 'Microsoft.Storage/storageAccounts'
var vaults = 'Microsoft.KeyVault/vaults'
var endpoints = concat(
  [
    { name: 'archive-blob', kind: 'blob', target: idOf(archiveGroupName, accounts, archiveName) }
    { name: 'archive-table', kind: 'table', target: idOf(archiveGroupName, accounts, archiveName) }
    { name: 'ingest-host', kind: 'blob', target: idOf(appGroupName, accounts, hostNames.ingest) }
    { name: 'recovery-host', kind: 'blob', target: idOf(appGroupName, accounts, hostNames.recovery) }
    { name: 'ingest-queue', kind: 'queue', target: idOf(appGroupName, accounts, hostNames.ingest) }
    { name: 'recovery-queue', kind: 'queue', target: idOf(appGroupName, accounts, hostNames.recovery) }
  ],
  map(concat([vaultName], clinicVaultNames), name => {
    name: name
    kind: 'vault'
    target: idOf(archiveGroupName, vaults, name)
  })
)

module privateEndpoints 'modules/endpoint.bicep' = [
  for endpoint in endpoints: if (privateNetworking) {
    scope: appGroup
    params: {
      name: 'pep-${endpoint.name}-${appToken}'
      location: appLocation
      tags: tags
      subnetId: network!.outputs.endpointSubnetId
      targetId: endpoint.target
      kind: endpoint.kind
      zoneId: network!.outputs.zoneIds[endpoint.kind]
    }
    dependsOn: [archive, vault, clinicKeys, ingestHost, recoveryHost]
  }
]

// What both apps are told. Addresses are made of names: to ask the account for them fails while its region is away.
// A new setting: a parameter above, its line in main.bicepparam, and its line here or below.
var settings texts = {
  CloudArchive__BlobEndpoint: 'https://${archiveName}.blob.${environment().suffixes.storage}/'
  CloudArchive__TableEndpoint: 'https://${archiveName}.table.${environment().suffixes.storage}/'
  CloudArchive__VaultUri: 'https://${vaultName}${environment().suffixes.keyvaultDns}/'
  CloudArchive__ClinicVaults: join(map(clinicVaultNames, name => 'https://${name}${environment().suffixes.keyvaultDns}/'), ' ')
  CloudArchive__HsmKeys: string(premiumVault)
  CloudArchive__StaffAuthority: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
  CloudArchive__StaffTenant: tenant().tenantId
  CloudArchive__SilentAfterDays: string(silentAfterDays)
  CloudArchive__TrustedProxies: trustedProxies
  CloudArchive__StaffAudience: staffClientId
  CloudArchive__StaffMfaContexts: staffMfaContexts
  CloudArchive__StaffCliClientId: staffCliClientId
}

// What the recovery app alone is told: it delivers alerts and letters.
var deliverySettings texts = union(
  settings,
  empty(webhookUrl)
    ? {}
    : {
        CloudArchive__WebhookUrl: webhookUrl
        CloudArchive__WebhookSecret: secretOf(vaultName, 'webhook-secret')
      },
  empty(mailServer)
    ? {}
    : {
        CloudArchive__MailServer: mailServer
        CloudArchive__MailFrom: mailFrom
        CloudArchive__MailOperator: mailOperator
      },
  // A server that nobody signs in to has no password; one with a user has it in the vault.
  contains(mailServer, '@') ? { CloudArchive__MailPassword: secretOf(vaultName, 'mail-password') } : {}
)

module ingest 'modules/app.bicep' = {
  scope: appGroup
  params: {
    name: appNames.ingest
    planName: 'plan-ingest-${appToken}'
    location: appLocation
    tags: tags
    role: 'ingest'
    identityId: idOf(appGroupName, 'Microsoft.ManagedIdentity/userAssignedIdentities', identityNames.ingest)
    packageUrl: ingestHost.outputs.packageUrl
    staffAuthority: settings.CloudArchive__StaffAuthority
    staffClientId: staffClientId
    subnetId: privateNetworking ? network!.outputs.ingestSubnetId : ''
    workspaceId: monitoring.outputs.workspaceId
  }
  // An app that starts before its rights are there stays broken until it is restarted.
  dependsOn: [access, appAccess, privateEndpoints]
}

module recovery 'modules/app.bicep' = {
  scope: appGroup
  params: {
    name: appNames.recovery
    planName: 'plan-recovery-${appToken}'
    location: appLocation
    tags: tags
    role: 'recovery'
    identityId: idOf(appGroupName, 'Microsoft.ManagedIdentity/userAssignedIdentities', identityNames.recovery)
    packageUrl: recoveryHost.outputs.packageUrl
    staffAuthority: settings.CloudArchive__StaffAuthority
    staffClientId: staffClientId
    subnetId: privateNetworking ? network!.outputs.recoverySubnetId : ''
    workspaceId: monitoring.outputs.workspaceId
  }
  dependsOn: [access, appAccess, privateEndpoints]
}

// Each app prints the other's address: what a clinic's computer enrolls with is shown in the portal, and who asks the wrong app is told the right one.
var publicUrl = empty(agentUrl) ? ingest.outputs.url : agentUrl
var recoveryUrl = empty(portalUrl) ? recovery.outputs.url : portalUrl

module ingestSettings 'modules/settings.bicep' = {
  scope: appGroup
  params: {
    name: appNames.ingest
    role: 'ingest'
    publicUrl: publicUrl
    recoveryUrl: recoveryUrl
    identityClientId: ingestIdentity.outputs.clientId
    hostBlobEndpoint: ingestHost.outputs.blobEndpoint
    hostQueueEndpoint: ingestHost.outputs.queueEndpoint
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    settings: settings
  }
}

module recoverySettings 'modules/settings.bicep' = {
  scope: appGroup
  params: {
    name: appNames.recovery
    role: 'recovery'
    publicUrl: publicUrl
    recoveryUrl: recoveryUrl
    identityClientId: recoveryIdentity.outputs.clientId
    hostBlobEndpoint: recoveryHost.outputs.blobEndpoint
    hostQueueEndpoint: recoveryHost.outputs.queueEndpoint
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    settings: deliverySettings
  }
  dependsOn: [webhookSecretInVault, mailPasswordInVault]
}

module alerts 'modules/alerts.bicep' = {
  scope: appGroup
  params: {
    location: appLocation
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    emails: alertEmails
  }
}

module budget 'modules/budget.bicep' = if (!empty(budgetStart)) {
  params: {
    name: 'cloudarchive-${environmentName}'
    amount: monthlyBudget
    startDate: budgetStart
    groupNames: [archiveGroupName, appGroupName]
    actionGroupId: alerts.outputs.actionGroupId
  }
}

output AZURE_RESOURCE_GROUP string = appGroup.name
output CLOUDARCHIVE_ARCHIVE_GROUP string = archiveGroupName
output CLOUDARCHIVE_ARCHIVE_NAME string = archiveName
output CLOUDARCHIVE_VAULT_NAME string = vaultName
output CLOUDARCHIVE_CLINIC_VAULT_NAMES string[] = clinicVaultNames
output CLOUDARCHIVE_WORKSPACE_NAME string = workspaceName
output CLOUDARCHIVE_INGEST_URL string = ingest.outputs.url
output CLOUDARCHIVE_RECOVERY_URL string = recovery.outputs.url
output CLOUDARCHIVE_RECOVERY_PRINCIPAL string = recoveryIdentity.outputs.principalId
output SERVICE_INGEST_NAME string = ingest.outputs.name
output SERVICE_RECOVERY_NAME string = recovery.outputs.name
