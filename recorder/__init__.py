"""From a tap on the data plane to a video lesson in the library."""
