"""Asking a real subscription what no document says: a throw-away stack is deployed, asked, and destroyed.

Nothing of the deployed program imports this package; like ``infra.operate`` it looks at a stack from outside.
"""
