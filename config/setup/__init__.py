"""Set-up of a checkout: Python packages, Node packages, pages, a browser for tests.

Runs before anything is installed, so only the standard library is used in this package.
"""
