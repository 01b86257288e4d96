"""What the tests stand on: processes on free ports, weir's configuration, and a recorder on the wire."""
