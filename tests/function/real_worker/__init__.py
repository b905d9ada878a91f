"""The Functions host and the process of Microsoft's own Python worker, which speak as they do in Azure."""
