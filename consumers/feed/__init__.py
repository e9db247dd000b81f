"""The live feed: what readers are told, in order, once, by whichever of two ways."""
