// Optional: the apps in a virtual network, and vault and storage reached through private endpoints in it.
import { texts } from '../types.bicep'

param name string
param location string
param tags texts

resource network 'Microsoft.Network/virtualNetworks@2026-03-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: ['10.20.0.0/16']
    }
    subnets: [
      // Flex Consumption: one subnet an app, delegated. The apps ask Entra ID and call the webhook from there: newer networks let nothing out by default.
      {
        name: 'ingest'
        properties: {
          addressPrefix: '10.20.0.0/24'
          defaultOutboundAccess: true
          delegations: [
            {
              name: 'functions'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'recovery'
        properties: {
          addressPrefix: '10.20.1.0/24'
          defaultOutboundAccess: true
          delegations: [
            {
              name: 'functions'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.20.2.0/24'
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

var suffix = environment().suffixes.storage
var zoneNames = {
  blob: 'privatelink.blob.${suffix}'
  queue: 'privatelink.queue.${suffix}'
  table: 'privatelink.table.${suffix}'
  vault: 'privatelink.vaultcore.azure.net'
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in items(zoneNames): {
    name: zone.value
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, i) in items(zoneNames): {
    parent: zones[i]
    name: name
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: network.id
      }
    }
  }
]

output ingestSubnetId string = '${network.id}/subnets/ingest'
output recoverySubnetId string = '${network.id}/subnets/recovery'
output endpointSubnetId string = '${network.id}/subnets/endpoints'

@description('Zone ids by kind: blob, queue, table, vault.')
output zoneIds texts = toObject(
  items(zoneNames),
  zone => zone.key,
  zone => resourceId('Microsoft.Network/privateDnsZones', zone.value)
)
