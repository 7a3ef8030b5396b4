// One private endpoint and its name in the zone.
param name string
param location string
param tags object
param subnetId string
param targetId string

@allowed(['blob', 'table', 'vault'])
param kind string
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: name
        properties: {
          privateLinkServiceId: targetId
          groupIds: [kind]
        }
      }
    ]
  }
}

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: kind
        properties: {
          privateDnsZoneId: zoneId
        }
      }
    ]
  }
}
