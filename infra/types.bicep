// Shapes that several modules take.
@export()
@description('Names and what they stand for: tags, settings, ids.')
type texts = { *: string }
