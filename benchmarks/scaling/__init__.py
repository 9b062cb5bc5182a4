"""What the paper measured of its servers and clients (sections 3.1 to 3.4), on this machine's stack."""
