"""Hosts a Function App of the Python v2 model: queue and timer triggers, as the Azure Functions host serves them."""
