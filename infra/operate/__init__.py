"""Looking after single files of a running pipeline: what became of one, processing it again, queueing what was lost.

The logic is pure over the ``Storage`` protocol, so it is the same for the local run and for Azure.
"""
