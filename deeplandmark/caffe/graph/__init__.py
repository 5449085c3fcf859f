"""From a net definition to layers with named blobs, as Net::Init does it (net.cpp)."""
