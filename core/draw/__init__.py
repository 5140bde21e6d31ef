"""Pictures of what records hold."""
