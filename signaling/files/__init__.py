"""Files of the library: one interface (``api``), a folder or an S3 bucket behind it."""
