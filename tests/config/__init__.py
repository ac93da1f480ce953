"""Tests of settings, certificates, command line and process tree."""
