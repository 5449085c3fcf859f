"""Several nets of one structure run as one: `StackedNets`."""
