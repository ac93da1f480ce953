"""Tests of several processes together, without a browser."""
