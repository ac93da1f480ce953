"""Slides: a PDF, an office file or a picture as pages that every browser can show."""
