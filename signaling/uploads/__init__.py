"""Files that people bring into a lesson: received, looked at, kept, and given out again."""
