// The custom roles of roles.json: built-in ones let an app do more than it must.
targetScope = 'subscription'

@description('Tells one environment\'s roles from another\'s: names are unique in a tenant.')
param environmentName string

@description('Where the roles can be assigned.')
param resourceGroupId string

var roles = loadJsonContent('../roles.json')
var custom = filter(items(roles), role => !contains(role.value, 'builtIn'))

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for role in custom: {
    name: guid(resourceGroupId, role.key)
    properties: {
      roleName: '${role.value.name} (${environmentName})'
      description: role.value.description
      type: 'CustomRole'
      assignableScopes: [resourceGroupId]
      permissions: [
        {
          actions: role.value.actions
          dataActions: role.value.dataActions
        }
      ]
    }
  }
]
