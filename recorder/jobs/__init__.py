"""What is made of a video lesson after it is published: thumbnails, chapters, waveform and loudness, MP4.

One file a step, pure but for the media it reads and the files it writes; ``step`` is the process that carries
one out, ``app`` the one that has it carried out. SQL says what is to be done (``signaling.catalog.jobs``).
"""
