"""The pure heart: three sides of an object in, what to do about it out. No I/O, no clock, no randomness."""
