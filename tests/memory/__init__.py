"""A storage account in memory, as its REST interface shows it, for all tests that need no real service.

What it answers is held to Azurite behind the local run's strict front by ``test_contract.py``.
"""
