"""The storage services' REST interface, as far as the worker and the function use it.

The SDK costs more time than the services themselves where files are small and listings are long; docs/performance.md
has the figures.
"""
