"""What Azure would run: storage, Event Grid, the Functions host, container groups, identities and Resource Manager."""
