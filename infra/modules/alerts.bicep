// Who hears of what: the rules of alerts.json, each with its runbook in docs/operations.md.
import { texts } from '../types.bicep'

param location string
param tags texts
param workspaceId string

@description('Where alerts go. Empty: they are only listed in the portal.')
param emails string[]

var rules = loadJsonContent('../alerts.json')

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'on-call'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'CloudArchive'
    emailReceivers: [
      for (email, i) in emails: {
        name: 'on-call-${i}'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in rules: {
    name: rule.name
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.title
      description: 'docs/operations.md#${rule.runbook}'
      severity: rule.severity
      enabled: true
      evaluationFrequency: rule.frequency
      windowSize: rule.window
      scopes: [workspaceId]
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            // The rule of a heartbeat is the other way round: what must be there is not.
            operator: rule.?missing ?? false ? 'LessThan' : 'GreaterThan'
            threshold: rule.?missing ?? false ? 1 : 0
            failingPeriods: {
              minFailingPeriodsToAlert: 1
              numberOfEvaluationPeriods: 1
            }
          }
        ]
      }
      autoMitigate: false
      // A table that has no row yet has no columns to check the query against.
      skipQueryValidation: true
      actions: {
        actionGroups: [group.id]
      }
    }
  }
]

output actionGroupId string = group.id
