"""What the Function App does: pure handlers, and one module (``azure``) that speaks to Azure."""
