"""What the unit tests of packs are written with."""
