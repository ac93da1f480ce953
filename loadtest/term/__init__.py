"""Whole lives of lessons at full speed: what a term costs, and whether anything of it is lost."""
