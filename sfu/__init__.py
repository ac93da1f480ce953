"""The media process: packets in, the right packets out, and the control of one lesson's media."""
